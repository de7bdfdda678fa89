"""The log, on stderr: one JSON object a line, or readable lines on a terminal. It never contains image bytes."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from typing import Any

from service.text import printable
from service.web.record import Record

_LINE = "%(asctime)s %(levelname)s %(message)s"


def configure(level: str, *, form: str) -> None:
    """Log to stderr.

    Args:
        level: The least severe level to log: debug, info, warning or error.
        form: json, text, or auto: text if stderr is a terminal, else json.
    """
    as_text = form == "text" or (form == "auto" and sys.stderr.isatty())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_LINE) if as_text else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])
    # No line names its place in the code, its thread, process or task: looking these up costs more than the line
    # ("Optimization" in Python's Logging HOWTO).
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    if level != "debug":
        for name in ("uvicorn", "python_multipart"):  # they warn of bad requests, which get a problem as a response
            logging.getLogger(name).setLevel(logging.ERROR)


class Entry:
    """The log entry of a finished request, as the message of a log record."""

    def __init__(self, request: Record) -> None:
        self._request = request

    def log_record(self, logger: str) -> logging.LogRecord:
        """Create the log record with this message, at the time when the request finished."""
        seconds = self._request.started_ns / 1e9 + self._request.total_ms / 1e3
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
        """Return the line for a person."""
        request = self._request
        best = request.prediction.best if request.prediction is not None else None
        label = f" {printable(best.label)} {best.probability:.2f}" if best is not None else ""
        if request.prediction is not None and request.prediction.abstained is not None:
            label += f" {request.prediction.abstained}"
        status = request.status or "client disconnected"
        return f"{request.method} {request.path} {status} {request.total_ms:.1f} ms{label} {request.id}"

    def fields(self) -> dict[str, Any]:
        """Return the fields for a program; those of the image and the prediction only if there is a prediction."""
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
        if request.prediction is not None:
            prediction, best = request.prediction, request.prediction.best
            values |= {"format": prediction.format, "width": prediction.width, "height": prediction.height}
            values["label"] = best.label
            values["probability"] = round(best.probability, 4) if math.isfinite(best.probability) else None
            if prediction.abstained is not None:
                values["abstained"] = prediction.abstained
        return values


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level and message, or for a request the fields of its `Entry`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        values: dict[str, Any] = {"time": f"{seconds}.{int(record.msecs):03}Z", "level": record.levelname.lower()}
        values |= record.msg.fields() if isinstance(record.msg, Entry) else {"message": record.getMessage()}
        if record.exc_info:
            values["exception"] = self.formatException(record.exc_info)
        return json.dumps(values)
