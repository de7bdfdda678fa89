"""One uvicorn process around the application: listens at once, loads the model meanwhile, ends cleanly."""

from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import functools
import logging
import os
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from service.bundle import read_bundle
from service.cores import usable_cores
from service.predictor import Predictor
from service.settings import Settings
from service.web.app import create_app
from service.web.engine import Engine

_logger = logging.getLogger(__name__)
_BACKLOG = 2048


class CannotListen(Exception):
    """The address cannot be listened on. The message is one line."""


def serve(bundle: str | os.PathLike[str], settings: Settings) -> None:
    """Serve a bundle until SIGINT or SIGTERM.

    Raises CannotListen, and BundleRefused where the bundle turns out to be bad; until then it was not ready.
    """
    with _listen(settings.host, settings.port) as listener:
        _logger.debug("listening on %s", _url(listener))
        engine = Engine(threads=settings.threads or usable_cores())
        config = uvicorn.Config(
            create_app(engine, settings),
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=settings.shutdown_timeout_s,
        )
        server = _Server(
            config,
            engine=engine,
            url=_url(listener),
            loader=functools.partial(load_predictor, bundle, settings=settings),
        )
        try:
            server.run(sockets=[listener])
        finally:
            engine.close()
    if server.failure is not None:
        raise server.failure
    _logger.info("stopped")


def load_predictor(bundle: str | os.PathLike[str], *, settings: Settings) -> Predictor:
    """Read and verify a bundle; only the predictor outlives the call, not the files' bytes. Raises BundleRefused."""
    whole = read_bundle(bundle)
    limits = whole.spec.limits
    if settings.max_pixels:
        limits = dataclasses.replace(limits, max_pixels=settings.max_pixels)
    predictor = Predictor(whole, limits=limits)
    for warning in predictor.warnings:
        _logger.warning("%s", warning)
    _logger.info("%s version %s, %s, is verified", predictor.name, predictor.version, predictor.digest)
    return predictor


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server((str(address[0]), port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # create_server adds the address to strerror; the negative numbers of getaddrinfo have no other text.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotListen(f"cannot listen on {host} port {port}: {reason}") from error


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _give_back_free_memory() -> None:
    """Loading a model frees about three times its size, which glibc would keep for the life of the process."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


class _Server(uvicorn.Server):
    """uvicorn's server, which also loads the model, and for which a signal to stop is no failure.

    failure  what kept the model from loading
    """

    def __init__(self, config: uvicorn.Config, *, engine: Engine, loader: Callable[[], Predictor], url: str) -> None:
        super().__init__(config)
        self.failure: BaseException | None = None
        self._url = url
        self._engine = engine
        self._loader = loader
        self._loading: asyncio.Task[None] | None = None  # held, as the event loop keeps no hold on a task

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then begin to load."""
        await super().startup(sockets=sockets)
        self._loading = asyncio.create_task(self._engine.load(self._loader))
        self._loading.add_done_callback(self._loaded)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Begin to stop; a second signal stops at once. Not remembered, as uvicorn would raise it again at the end."""
        self.force_exit = self.should_exit
        self.should_exit = True

    def _loaded(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self.failure = task.exception()
        if self.failure is not None:
            self.should_exit = True
        else:
            _give_back_free_memory()
            _logger.info("ready on %s", self._url)
