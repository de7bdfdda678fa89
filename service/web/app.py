"""The application: its paths, and the layers around them."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.settings import Settings
from service.web.access import Access, Keys, public_paths
from service.web.admission import Admission
from service.web.analyze import Analyze
from service.web.cors import Cors
from service.web.engine import Engine
from service.web.health import Health
from service.web.hosts import Hosts
from service.web.hugging_face import HuggingFace
from service.web.metrics import Metrics
from service.web.model import Model
from service.web.open_inference import open_inference_routes
from service.web.openapi import Info, OpenApi
from service.web.page import page_routes
from service.web.predict import Predict
from service.web.problems import Problem, Problems
from service.web.resource import Resource
from service.web.security_headers import SecurityHeaders
from service.web.spans import Spans
from service.web.tracing import Tracing

# Watchdogs ask for these by address.
_WATCHED = frozenset({"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"})


def create_app(
    engine: Engine, settings: Settings, *, metrics: Metrics | None = None, spans: Spans | None = None
) -> ASGIApp:
    """The ASGI application. It answers 503 where it needs the model for as long as the engine is not ready.

    Raises BadSetting for API keys that cannot be read.
    """
    metrics = metrics or Metrics(engine)
    keys = Keys.read(settings)
    hosts, origins = (
        frozenset(filter(None, text.split(","))) for text in (settings.trusted_hosts, settings.cors_origins)
    )
    openapi = OpenApi(Info(version=__version__, with_keys=bool(keys), with_hosts="*" not in hosts))
    routes = [
        *_routes(engine, settings),
        Route("/metrics", Resource(get=metrics.get)),
        Route("/openapi.json", Resource(get=openapi.get)),
    ]
    openapi.write(routes)
    return Router(
        routes,
        redirect_slashes=False,
        default=_not_found,
        middleware=[  # outermost first
            Middleware(Tracing, metrics=metrics, spans=spans),
            Middleware(SecurityHeaders),
            Middleware(Cors, origins=origins),
            Middleware(Problems),
            Middleware(Hosts, trusted=hosts, exempt=_WATCHED),
            Middleware(Access, keys=keys, public=public_paths(routes)),
            Middleware(Admission, permits=engine.permits),
        ],
    )


def _routes(engine: Engine, settings: Settings) -> list[Route]:
    health = Health(engine)
    routes = [
        Route("/v1/predict", Resource(post=Predict(engine, settings).post)),
        Route("/v1/model", Resource(get=Model(engine, settings).get)),
        Route("/analyze", Resource(post=Analyze(engine, settings).post)),
        Route("/livez", Resource(get=health.live)),
        Route("/readyz", Resource(get=health.ready)),
        *page_routes(),
    ]
    if settings.open_inference == "on":
        routes += open_inference_routes(engine, settings, health)
    if settings.hugging_face == "on":
        routes.append(Route("/models/{name:path}", Resource(post=HuggingFace(engine, settings).post)))
    return routes


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is nothing at this path.")
