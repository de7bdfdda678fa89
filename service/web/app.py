"""The application: every route, and the middleware around them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from starlette.middleware import Middleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.problem import Problem
from service.settings import Settings
from service.web.engine import Engine
from service.web.middleware.api_keys import APIKeyMiddleware, APIKeys
from service.web.middleware.cors import CORSMiddleware, CORSPolicy
from service.web.middleware.problems import ProblemsMiddleware
from service.web.middleware.security_headers import NO_ANCESTORS, SecurityHeadersMiddleware
from service.web.middleware.tracing import TracingMiddleware
from service.web.middleware.trusted_hosts import TrustedHostMiddleware
from service.web.routes.analyze import AnalyzeHandler
from service.web.routes.endpoint import Endpoint, operation_of
from service.web.routes.health import HealthHandlers
from service.web.routes.hugging_face import HuggingFaceHandler
from service.web.routes.metrics import MetricsHandler
from service.web.routes.model import ModelHandler
from service.web.routes.open_inference import open_inference_routes
from service.web.routes.openapi import DocumentInfo, OpenAPIHandler
from service.web.routes.page import page_routes
from service.web.routes.predict import PredictHandler
from service.web.telemetry.buffer import RecordBuffer
from service.web.telemetry.metrics import Metrics
from service.web.upload.upload import UploadLimits

# Health probes request these, by address.
PROBE_PATHS = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})
_LONGEST_NAME = 64  # of a path's last part that is compared with those that there are
_SIMILAR = 0.7  # of two names, 0 to 1
_UNLIKELY = ("/page/", "/v2/")  # what programs ask for, and know


def create_app(
    engine: Engine, settings: Settings, *, uploads: UploadLimits | None = None, buffer: RecordBuffer | None = None
) -> ASGIApp:
    """Create the ASGI application. Routes that need the model respond with 503 until the engine has loaded it.

    Args:
        engine: The model and its threads.
        settings: The settings.
        uploads: Limits on request bodies; by default those of the settings.
        buffer: Of the records of finished requests; by default a new one, without traces.

    Raises:
        BadSetting: If the API keys cannot be read.
    """
    uploads = uploads or UploadLimits.of(settings)
    buffer = buffer or RecordBuffer(Metrics(engine, uploads.places))
    keys = APIKeys.read(settings)
    hosts, cors = frozenset(settings.trusted_hosts.split(",")), CORSPolicy.of(settings)
    info = DocumentInfo(version=__version__, needs_key=bool(keys), needs_trusted_host="*" not in hosts)
    routes = _routes(engine, settings, uploads=uploads, buffer=buffer, info=info)
    # The outermost comes first.
    middleware = [
        Middleware(TracingMiddleware, buffer=buffer),
        Middleware(SecurityHeadersMiddleware, frame_ancestors=_frame_ancestors(settings)),
    ]
    if cors:
        middleware.append(Middleware(CORSMiddleware, policy=cors))
    middleware.append(Middleware(ProblemsMiddleware))
    if "*" not in hosts:
        middleware.append(Middleware(TrustedHostMiddleware, trusted=hosts, exempt=PROBE_PATHS))
    if keys:
        middleware.append(Middleware(APIKeyMiddleware, keys=keys, public=_public_paths(routes)))
    return Router(routes, redirect_slashes=False, default=_NotFound(routes), middleware=middleware)


def _routes(
    engine: Engine, settings: Settings, *, uploads: UploadLimits, buffer: RecordBuffer, info: DocumentInfo
) -> list[Route]:
    health, openapi = HealthHandlers(engine), OpenAPIHandler(info)
    routes = [
        Route("/v1/predict", Endpoint(post=PredictHandler(engine, uploads).post)),
        Route("/v1/model", Endpoint(get=ModelHandler(engine, uploads).get)),
        Route("/analyze", Endpoint(post=AnalyzeHandler(engine, uploads).post)),
        Route("/livez", Endpoint(get=health.live)),
        Route("/readyz", Endpoint(get=health.ready)),
        *page_routes(
            engine,
            uploads,
            frame_ancestors=_frame_ancestors(settings),
            camera=settings.camera == "on",
            needs_key=info.needs_key,
        ),
    ]
    if settings.open_inference == "on":
        routes += open_inference_routes(engine, uploads, health)
    if settings.hugging_face == "on":
        routes.append(Route("/models/{name:path}", Endpoint(post=HuggingFaceHandler(engine, uploads).post)))
    routes.append(Route("/metrics", Endpoint(get=MetricsHandler(buffer).get)))
    routes.append(Route("/openapi.json", Endpoint(get=openapi.get)))
    openapi.set_routes(routes)
    return routes


def _frame_ancestors(settings: Settings) -> str:
    return settings.frame_ancestors.replace(",", " ") or NO_ANCESTORS


def _public_paths(routes: Iterable[Route]) -> frozenset[str]:
    """Return the paths whose every handler is described as public."""
    return frozenset(
        route.path
        for route in routes
        if isinstance(route.endpoint, Endpoint)
        and all(operation_of(handler).public for handler in route.endpoint.handlers.values())
    )


class _NotFound:
    """Responds to requests for other paths, with the path that was probably meant."""

    def __init__(self, routes: Iterable[Route]) -> None:
        paths = [route.path for route in routes if not route.path.startswith(_UNLIKELY) and "{" not in route.path]
        self._paths = {path.rpartition("/")[2].casefold(): path for path in paths if path != "/"}

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        last = scope["path"][-_LONGEST_NAME:].rstrip("/").rpartition("/")[2].casefold()
        close = difflib.get_close_matches(last, self._paths, n=1, cutoff=_SIMILAR)
        meant = f"; did you mean {self._paths[close[0]]}?" if close else "."
        raise Problem(404, f"There is nothing at this path{meant} /docs lists what there is.")
