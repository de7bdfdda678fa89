"""The log, on stderr: a JSON object a line, or lines for a person where stderr is a terminal. Never image bytes."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from typing import Any

from service.tables import plain
from service.web.record import Record

_LINE = "%(asctime)s %(levelname)s %(message)s"


def configure(level: str, *, form: str) -> None:
    """Log to stderr.

    level  the least severe entries to write: debug, info, warning or error
    form   json, text, or auto: text where stderr is a terminal
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_LINE) if as_text else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # No line says where in the code it was written, nor by which thread, process and task: looking that up costs more
    # than the line ("Optimization" in Python's Logging HOWTO).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if level != "debug":
        logging.getLogger("uvicorn").setLevel(logging.ERROR)  # what a client sent wrong is answered


class Entry:
    """What the log says of a request that has ended, as the message of a log record."""

    def __init__(self, request: Record) -> None:
        self._request = request

    def log_record(self, logger: str) -> logging.LogRecord:
        """The log record whose message this is, of the time at which the request ended."""
        seconds = self._request.begun_ns / 1e9 + self._request.total_ms / 1e3
        return logging.makeLogRecord(
            {
                "name": logger,
                "levelname": "INFO",
                "levelno": logging.INFO,
                "msg": self,
                "created": seconds,
                "msecs": 1e3 * (seconds % 1),
            }
        )

    def __str__(self) -> str:
        """For a person."""
        request = self._request
        best = request.verdict.best if request.verdict is not None else None
        answer = f" {plain(best.label)} {best.probability:.2f}" if best is not None else ""
        status = request.status or "client left"
        return f"{request.method} {request.path} {status} {request.total_ms:.1f} ms{answer} {request.id}"

    def fields(self) -> dict[str, Any]:
        """For a program; of the image and the answer only where there are any."""
        request = self._request
        stages = [*request.stages_ms.items(), ("total", request.total_ms)]
        values: dict[str, Any] = {
            "id": request.id,
            "method": request.method,
            "path": request.path,
            "route": request.route or None,
            "status": request.status or None,
            "bytes": request.body_bytes,
            "ms": {stage: round(value, 2) for stage, value in stages},
        }
        if request.rejected:
            values["rejected"] = request.rejected
        if request.verdict is not None:
            seen, best = request.verdict, request.verdict.best
            values |= {"format": seen.format, "width": seen.width, "height": seen.height}
            values["label"] = best.label
            values["probability"] = round(best.probability, 4) if math.isfinite(best.probability) else None
        return values


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level and message; of a request its `Entry.fields` in place of a message."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, in ASCII."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        values: dict[str, Any] = {"time": f"{seconds}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        values |= record.msg.fields() if isinstance(record.msg, Entry) else {"message": record.getMessage()}
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return json.dumps(values)
