"""The application: its paths, and the layers around them."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from service.settings import Settings
from service.web.analyze import Analyze
from service.web.engine import Engine
from service.web.health import Health
from service.web.model import Model
from service.web.page import page_routes
from service.web.predict import Predict
from service.web.problems import Problem, Problems
from service.web.resource import Resource
from service.web.tracing import Tracing


def create_app(engine: Engine, settings: Settings) -> ASGIApp:
    """The ASGI application. It answers 503 where it needs the model for as long as the engine is not ready."""
    health = Health(engine)
    return Router(
        [
            Route("/v1/predict", Resource(post=Predict(engine, settings).post)),
            Route("/v1/model", Resource(get=Model(engine, settings).get)),
            Route("/analyze", Resource(post=Analyze(engine, settings).post)),
            Route("/livez", Resource(get=health.live)),
            Route("/readyz", Resource(get=health.ready)),
            *page_routes(),
        ],
        redirect_slashes=False,
        default=_not_found,
        middleware=[  # outermost first
            Middleware(Tracing),
            Middleware(Problems),
        ],
    )


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is nothing at this path.")
