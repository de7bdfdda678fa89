"""What is known of one request while it is handled. The log line, the metrics and the trace are made from it.

It travels in a context variable, from the outermost middleware to the worker thread, like the current span of a tracing
library: the handlers between them need not pass it on.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

import onnxruntime as ort

from service.prediction import Abstained, Label, Prediction

# In the order of a request: stage -> what happens in it.
STAGES = {
    "receive": "the body of the request arrives",
    "queue": "the request waits for a slot",
    "parse": "the image is taken out of the body",
    "decode": "the image is decoded, and becomes what the model sees",
    "infer": "the model classifies the image",
    "encode": "the response is made",
}
_VALID_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def request_id(given: str = "") -> str:
    """Return the client's own id if it is valid, else a new one: 128 random bits, not a secret."""
    return given if _VALID_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def _run_options() -> ort.RunOptions:
    options = ort.RunOptions()
    options.log_severity_level = 4  # errors are raised
    return options


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictionSummary:
    """A prediction without its image and arrays, for the log, the metrics and drift, which may come a while later.

    Attributes:
        format: Format of the image.
        width: Of the upright original, pixels.
        height: Of the upright original, pixels.
        best: The most probable class.
        candidates: What the labels are, unless it is abstained.
        abstained: Why there is no label; None if it is not abstained.
    """

    format: str
    width: int
    height: int
    best: Label
    candidates: tuple[Label, ...]
    abstained: Abstained | None

    @classmethod
    def of(cls, prediction: Prediction) -> PredictionSummary:
        """Summarize a prediction."""
        picture = prediction.picture
        return cls(
            format=picture.format,
            width=picture.width,
            height=picture.height,
            best=prediction.best,
            candidates=prediction.candidates,
            abstained=prediction.abstained,
        )


@dataclass(kw_only=True, eq=False)
class Record:
    """One request.

    Attributes:
        id: The request id, the client's own or a new one.
        method: HTTP method.
        path: The raw path.
        route: Pattern of the path; "" if none matched.
        status: HTTP status of the response; 0 before there is one.
        body_bytes: Length of the body, as far as it was read.
        rejected: Why the request was rejected before the model saw it; "" if it was not.
        prediction: The prediction, once there is one.
        disconnected: Done when the client has disconnected; None if the server does not report it.
        run_options: Setting their `terminate` stops the inference.
        stages_ms: Wall time of each of the `STAGES` that it reached.
        started: Start on the clock of time.perf_counter, seconds.
        started_ns: Start since the epoch, nanoseconds.
    """

    id: str
    method: str
    path: str
    route: str = ""
    status: int = 0
    body_bytes: int = 0
    rejected: str = ""
    prediction: PredictionSummary | None = None
    disconnected: asyncio.Future[None] | None = None
    run_options: ort.RunOptions = field(default_factory=_run_options)
    stages_ms: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    started_ns: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self._lap_start = self.started
        self._finished: float | None = None

    @property
    def total_ms(self) -> float:
        """Wall time from start to finish, or to now if it has not finished."""
        return 1e3 * ((self._finished or time.perf_counter()) - self.started)

    def finish(self) -> None:
        """Stop the clock."""
        self._finished = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Finish a stage: the time since the last lap counts for it."""
        now = time.perf_counter()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + 1e3 * (now - self._lap_start)
        self._lap_start = now


_current: ContextVar[Record] = ContextVar("record")


def current() -> Record:
    """Return the record of the request that is being handled; an unused one outside of requests."""
    record = _current.get(None)
    return Record(id="", method="", path="") if record is None else record


def set_current(record: Record) -> None:
    """Make a record the current one of this context."""
    _current.set(record)
