"""One uvicorn process around the application: listens at once, loads the model meanwhile, ends cleanly."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import gc
import logging
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from service.bundle import read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from service.settings import Settings
from service.web.app import create_app
from service.web.engine.engine import Engine
from service.web.engine.served import ServedPredictor
from service.web.routes.table import WATCHED_PATHS
from service.web.server import allocator
from service.web.server.bounds import Bounds
from service.web.server.protocol import BoundedProtocol
from service.web.telemetry.ledger import Ledger
from service.web.telemetry.metrics import Metrics
from service.web.telemetry.spans import Spans

_logger = logging.getLogger(__name__)
_BACKLOG = 2048
# Files that the process needs besides its connections: those of the interpreter, a bundle, log, sockets.
_OTHER_FILES = 64
# Beyond the most connections, for watchdogs: a service that is busy must not look dead, and be restarted for it.
_PROBE_CONNECTIONS = 8


class CannotListen(Exception):
    """The address cannot be listened on. The message is one line."""


def serve(bundle: str | os.PathLike[str], settings: Settings) -> None:
    """Serve a bundle until SIGINT or SIGTERM.

    Raises CannotListen, and BundleRefused where the bundle turns out to be bad; until then it was not ready.
    """
    allocator.return_large_blocks()
    with _listen(settings) as listener:
        _logger.debug("listening on %s", _url(listener))
        engine = Engine(
            threads=settings.threads or usable_cores(),
            queue_per_slot=settings.queue_per_slot,
            deadline_s=settings.deadline_s,
            stuck_s=settings.stuck_s,
        )
        metrics, spans = Metrics(engine), Spans.configured(os.environ)
        ledger = Ledger(metrics, spans)
        protocol = functools.partial(BoundedProtocol, bounds=_bounds(settings), metrics=metrics)
        config = uvicorn.Config(
            create_app(engine, settings, ledger=ledger),
            loop="uvloop",
            http=protocol,  # type: ignore[arg-type]  # called as the class would be
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=settings.keep_alive_s,
            timeout_graceful_shutdown=settings.drain_s,
        )
        server = _Server(
            config,
            engine=engine,
            url=_url(listener),
            loader=functools.partial(load_predictor, bundle, settings=settings),
            grace_s=settings.grace_s,
        )
        try:
            server.run(sockets=[listener])
        finally:
            engine.close()
            ledger.tell()
            if spans is not None:
                spans.close()
    if server.failure is not None:
        raise server.failure
    _logger.info("stopped")


def load_predictor(bundle: str | os.PathLike[str], *, settings: Settings) -> Predictor:
    """Read and verify a bundle; only the predictor outlives the call, not the files' bytes. Raises BundleRefused."""
    whole = read_bundle(bundle)
    set_here = {"max_pixels": settings.max_pixels, "max_side_ratio": settings.max_side_ratio}
    limits = dataclasses.replace(whole.spec.limits, **{name: value for name, value in set_here.items() if value})
    predictor = ServedPredictor(whole, limits=limits)
    for warning in predictor.warnings:
        _logger.warning("%s", warning)
    _logger.info("%s version %s, %s, is verified", predictor.name, predictor.version, predictor.digest)
    return predictor


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.host, settings.port
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except UnicodeError as error:  # getaddrinfo encodes the name first
        raise CannotListen(f"cannot listen on {host} port {port}: this is no name of a host") from error
    except OSError as error:
        # create_server adds the address to strerror; the negative numbers of getaddrinfo have no other text.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; connections inherit it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1e3 * settings.send_timeout_s))
    return listener


def _bounds(settings: Settings) -> Bounds:
    """Those of the settings; fewer connections where the process may not open that many files."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept = _OTHER_FILES + _PROBE_CONNECTIONS
    affordable = settings.max_connections if files == resource.RLIM_INFINITY else max(1, files - kept)
    return Bounds(
        max_header_bytes=settings.max_header_bytes,
        max_headers=settings.max_headers,
        header_timeout_s=settings.header_timeout_s,
        max_connections=min(settings.max_connections, affordable),
        probe_connections=_PROBE_CONNECTIONS,
        probe_paths=frozenset(path.encode() for path in WATCHED_PATHS),
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's server, which also loads the model, and for which a signal to stop is no failure.

    The first SIGTERM makes it unready; requests are taken for `grace_s` seconds more, until whoever sends them has
    noticed. Then, or at once after SIGINT or a second signal, it stops to listen, and what is in progress is drained.

    failure  what kept the model from loading
    """

    def __init__(
        self, config: uvicorn.Config, *, engine: Engine, loader: Callable[[], Predictor], url: str, grace_s: float
    ) -> None:
        super().__init__(config)
        self.failure: BaseException | None = None
        self._grace_s = grace_s
        self._stop_at: float | None = None  # of the monotonic clock
        self._url = url
        self._engine = engine
        self._loader = loader
        self._loading: asyncio.Task[None] | None = None  # held, as the event loop keeps no hold on a task

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then begin to load."""
        await super().startup(sockets=sockets)
        self._loading = asyncio.create_task(self._engine.load(self._loader))
        self._loading.add_done_callback(self._loaded)

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Begin to stop; SIGINT ends a drain. Signals are not remembered, as uvicorn would raise them at the end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        waits = sig == signal.SIGTERM and self._stop_at is None and self._engine.is_loaded
        self._stop_at = time.monotonic() + (self._grace_s if waits else 0)
        self._engine.vitals.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _loaded(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self.failure = task.exception()
        if self.failure is not None:
            self.should_exit = True
        else:
            gc.freeze()  # what is loaded stays: the collector need not walk through it again and again
            allocator.return_free_memory()
            _logger.info("ready on %s", self._url)
