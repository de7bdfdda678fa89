"""Every path of the service, as in its OpenAPI document, and its methods."""

from __future__ import annotations

from pathlib import Path

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
# The files of the pages, and what they are.
_SERVICE = Path(__file__).resolve().parents[2] / "service"
_SHARED = [_SERVICE / "ui" / name for name in ("element.js", "icon.svg", "names.js")]
PAGE_FILES = {
    f"/page/{file.name}": _TYPES[file.suffix]
    for file in sorted([*(_SERVICE / "web" / "routes" / "page").iterdir(), *_SHARED])
    if file.suffix in _TYPES
}

_READ, _UPLOAD = "GET, HEAD, OPTIONS", "POST, OPTIONS"

# For browsers, so not in the OpenAPI document.
PAGES = {"/": "GET, POST, HEAD, OPTIONS", "/docs": _READ, **dict.fromkeys(PAGE_FILES, _READ)}
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
UPLOADS = tuple(path for path in map(of_the_model, API) if "POST" in PATHS[path])
