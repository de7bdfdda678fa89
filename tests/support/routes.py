"""Every path of the service, as in its OpenAPI document, and its methods."""

from __future__ import annotations

_SCRIPTS = (
    "about", "api_key", "app", "code", "docs", "docs_schema", "element", "heatmap", "model", "names", "photos",
    "prediction", "service", "shrink", "stage",
)  # fmt: skip
# The files of the page, and what they are.
PAGE_FILES = {
    **{f"/page/{name}.js": "text/javascript" for name in _SCRIPTS},
    "/page/style.css": "text/css",
    "/page/docs.css": "text/css",
    "/page/icon.svg": "image/svg+xml",
}

_READ, _UPLOAD = "GET, HEAD, OPTIONS", "POST, OPTIONS"

# For browsers, so not in the OpenAPI document.
PAGES = {"/": _READ, "/docs": _READ, **dict.fromkeys(PAGE_FILES, _READ)}
# Those of the document.
API = {
    "/v1/model": _READ,
    "/v1/predict": _UPLOAD,
    "/analyze": _UPLOAD,
    "/livez": _READ,
    "/readyz": _READ,
    "/metrics": _READ,
    "/openapi.json": _READ,
    "/v2": _READ,
    "/v2/health/live": _READ,
    "/v2/health/ready": _READ,
    "/v2/models/{name}": _READ,
    "/v2/models/{name}/ready": _READ,
    "/v2/models/{name}/infer": _UPLOAD,
    "/v2/models/{name}/versions/{version}": _READ,
    "/v2/models/{name}/versions/{version}/ready": _READ,
    "/v2/models/{name}/versions/{version}/infer": _UPLOAD,
    "/models/{name}": _UPLOAD,
}


ROUTES = {**PAGES, **API}


def of_the_model(path: str) -> str:
    """Return the path for the model of `bundles.write_tiny_bundle`."""
    return path.format(name="colours", version="1")


# The same with the name and version of that model.
PATHS = {of_the_model(path): allow for path, allow in ROUTES.items()}
UPLOADS = tuple(path for path, allow in PATHS.items() if "POST" in allow)
