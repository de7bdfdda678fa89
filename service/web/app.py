"""The application: the routes, and the layers around them."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from service import __version__
from service.settings import Settings
from service.web.engine.engine import Engine
from service.web.middleware.access import Access, Keys
from service.web.middleware.admission import Admission
from service.web.middleware.cors import Cors
from service.web.middleware.hosts import Hosts
from service.web.middleware.problems import Problems
from service.web.middleware.security_headers import SecurityHeaders
from service.web.middleware.tracing import Tracing
from service.web.problem import Problem
from service.web.routes.openapi import Info
from service.web.routes.table import WATCHED_PATHS, all_routes, public_paths
from service.web.telemetry.ledger import Ledger
from service.web.telemetry.metrics import Metrics


def create_app(engine: Engine, settings: Settings, *, ledger: Ledger | None = None) -> ASGIApp:
    """The ASGI application. It answers 503 where it needs the model for as long as the engine is not ready.

    ledger  of requests that have ended; by default one of its own, without traces

    Raises BadSetting for API keys that cannot be read.
    """
    ledger = ledger or Ledger(Metrics(engine))
    keys = Keys.read(settings)
    hosts, origins = (
        frozenset(filter(None, text.split(","))) for text in (settings.trusted_hosts, settings.cors_origins)
    )
    info = Info(version=__version__, with_keys=bool(keys), with_hosts="*" not in hosts)
    admission = Middleware(Admission, permits=engine.permits)
    routes = all_routes(engine, settings, ledger=ledger, info=info, around_uploads=[admission])
    middleware = [Middleware(Tracing, ledger=ledger), Middleware(SecurityHeaders)]  # outermost first
    if origins:
        middleware.append(Middleware(Cors, origins=origins))
    middleware.append(Middleware(Problems))
    if "*" not in hosts:
        middleware.append(Middleware(Hosts, trusted=hosts, exempt=WATCHED_PATHS))
    if keys:
        middleware.append(Middleware(Access, keys=keys, public=public_paths(routes)))
    return Router(routes, redirect_slashes=False, default=_not_found, middleware=middleware)


async def _not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise Problem(404, "There is nothing at this path.")
