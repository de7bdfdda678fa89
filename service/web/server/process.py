"""One uvicorn process around the application: it listens at once, loads the model meanwhile, and stops cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

from service.bundle import TrustedKeys, read_bundle
from service.choosing import choose_predictor
from service.cores import open_files_limit, usable_cores
from service.predictor import Predictor
from service.settings import Settings
from service.web.app import PROBE_PATHS, create_app
from service.web.engine import Engine
from service.web.middleware.cors import CORSPolicy
from service.web.server import allocator
from service.web.server.fitting import Enforcers, fit_to_memory
from service.web.server.listening import listen, urls
from service.web.server.protocol import ConnectionLimits, LimitedProtocol
from service.web.telemetry.buffer import RecordBuffer
from service.web.telemetry.metrics import Metrics
from service.web.telemetry.spans import Spans
from service.web.upload.upload import UploadLimits

_logger = logging.getLogger(__name__)
# Files that the process needs besides its connections: those of the interpreter, a bundle, the log, sockets.
_OTHER_FILES = 64
# Connections of health probes beyond the limit: a busy service must not look dead, and be restarted for it.
_PROBE_CONNECTIONS = 8


def serve(bundle: str | os.PathLike[str], settings: Settings) -> None:
    """Serve a bundle until SIGINT or SIGTERM.

    Args:
        bundle: Path of a bundle, a folder or a zip.
        settings: The settings.

    Raises:
        CannotListen: If the address is not available.
        BundleRefused: If the bundle is bad. Until then the service listened, and was not ready.
    """
    allocator.return_large_blocks()
    listeners = listen(settings)
    with contextlib.ExitStack() as stack:
        for listener in listeners:
            stack.enter_context(listener)
        where = " and ".join(urls(listeners))
        _logger.debug("listening on %s", where)
        engine = Engine(
            threads=settings.threads or usable_cores(),
            queue_per_slot=settings.queue_per_slot,
            deadline_s=settings.deadline_s,
            stuck_s=settings.stuck_s,
        )
        uploads, connections = UploadLimits.of(settings), _connection_limits(settings)
        uploads.places.on_idle = allocator.return_free_memory
        enforcers = Enforcers(engine=engine, uploads=uploads, connections=connections)
        metrics, spans = Metrics(engine, uploads.places), Spans.configured(os.environ)
        buffer = RecordBuffer(metrics, spans)
        protocol = functools.partial(LimitedProtocol, limits=connections, metrics=metrics, cors=CORSPolicy.of(settings))
        config = uvicorn.Config(
            create_app(engine, settings, uploads=uploads, buffer=buffer),
            loop="auto",  # uvloop, where there is one
            http=protocol,  # type: ignore[arg-type]  # called like a class
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
            where=where,
            loader=functools.partial(_load_and_fit, bundle, settings=settings, enforcers=enforcers),
            grace_s=settings.grace_s,
        )
        try:
            server.run(sockets=listeners)
        finally:
            engine.close()
            buffer.flush()
            if spans is not None:
                spans.close()
    if server.failure is not None:
        raise server.failure
    _logger.info("stopped")


def load_predictor(bundle: str | os.PathLike[str], *, settings: Settings) -> Predictor:
    """Load and verify the model of a bundle. The bytes of the files are released when it returns.

    Args:
        bundle: Path of a bundle, a folder or a zip.
        settings: The settings, whose limits on images take precedence over the bundle's.

    Raises:
        BundleRefused: If the bundle is bad, or not signed with a trusted key although the settings name one.
    """
    trusted = TrustedKeys(settings.trusted_key) if settings.trusted_key else None
    content = read_bundle(bundle, trusted=trusted)
    overrides = {"max_pixels": settings.max_pixels, "max_side_ratio": settings.max_side_ratio}
    limits = dataclasses.replace(content.spec.limits, **{name: value for name, value in overrides.items() if value})
    predictor = choose_predictor(
        content, model=settings.model, kind=Predictor, limits=limits, abstain=settings.abstain == "on"
    )
    for warning in predictor.warnings:
        _logger.warning("%s", warning)
    _logger.info("%s version %s, %s, is verified", predictor.name, predictor.version, predictor.digest)
    _logger.info("%s runs: %s", predictor.model_file, predictor.model_reason)
    return predictor


def _load_and_fit(bundle: str | os.PathLike[str], *, settings: Settings, enforcers: Enforcers) -> Predictor:
    """Load the model. Its memory is known then, so that the limits can be lowered before the service is ready."""
    predictor = load_predictor(bundle, settings=settings)
    fit_to_memory(predictor, enforcers=enforcers, settings=settings)
    return predictor


def _connection_limits(settings: Settings) -> ConnectionLimits:
    """Return the limits of the settings, with fewer connections if the process cannot open so many files."""
    files, reserved = open_files_limit(), _OTHER_FILES + _PROBE_CONNECTIONS
    available = settings.max_connections if files is None else max(1, files - reserved)
    return ConnectionLimits(
        max_header_bytes=settings.max_header_bytes,
        max_headers=settings.max_headers,
        header_timeout_s=settings.header_timeout_s,
        max_connections=min(settings.max_connections, available),
        probe_connections=_PROBE_CONNECTIONS,
        probe_paths=frozenset(path.encode() for path in PROBE_PATHS),
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which also loads the model, and treats a signal to stop as success.

    The first SIGTERM makes it not ready. It accepts requests for `grace_s` seconds more, so that their senders can
    notice. Then, or at once after SIGINT or a second signal, it stops listening, and drains the requests in progress.

    Attributes:
        failure: Why the model could not be loaded; None if it was.
    """

    def __init__(
        self, config: uvicorn.Config, *, engine: Engine, loader: Callable[[], Predictor], where: str, grace_s: float
    ) -> None:
        super().__init__(config)
        self.failure: BaseException | None = None
        self._grace_s = grace_s
        self._stop_at: float | None = None  # of the monotonic clock
        self._where = where
        self._engine = engine
        self._loader = loader
        self._loading: asyncio.Task[None] | None = None  # a reference, since the event loop keeps none to a task

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then start loading the model."""
        await super().startup(sockets=sockets)
        self._loading = asyncio.create_task(self._engine.load(self._loader))
        self._loading.add_done_callback(self._on_loaded)

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Start to stop; SIGINT ends a drain. Signals are not stored: uvicorn would raise them again at the end."""
        self.force_exit = self.should_exit and sig == signal.SIGINT
        has_grace = sig == signal.SIGTERM and self._stop_at is None and self._engine.is_loaded
        self._stop_at = time.monotonic() + (self._grace_s if has_grace else 0)
        self._engine.health.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Check ten times a second whether it is time to stop."""
        if self._stop_at is not None and time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _on_loaded(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self.failure = task.exception()
        if self.failure is not None:
            self.should_exit = True
        else:
            gc.freeze()  # what is loaded stays: the garbage collector need not visit it again
            allocator.return_free_memory()
            _logger.info("ready on %s", self._where)
