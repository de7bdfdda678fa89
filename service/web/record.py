"""What is known of one request while it is answered: the log line, the metrics and the trace are made of it.

It travels in a context variable, from the outermost layer to the worker thread, as the current span does in every
tracing library: the handlers between need not know of it.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field

import onnxruntime as ort

from service.predictor import Prediction
from service.ranking import Label

# In the order in which a request goes through them: the body arrives, waits for a slot, the image is taken out of it,
# decoded, classified, and the answer is written.
STAGES = ("receive", "queue", "parse", "decode", "infer", "encode")
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def request_id(given: str = "") -> str:
    """The client's own id where that is sane, else a new one: 128 random bits, no secret."""
    return given if _SANE_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"


def _run_options() -> ort.RunOptions:
    options = ort.RunOptions()
    options.log_severity_level = 4  # what goes wrong is raised
    return options


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdict:
    """What the model said of an image, without the image: what is told of it may wait for a while.

    format, width, height  of the upright original
    best                   the most probable class
    labels                 those at or over their threshold
    """

    format: str
    width: int
    height: int
    best: Label
    labels: tuple[Label, ...]

    @classmethod
    def of(cls, prediction: Prediction) -> Verdict:
        """That of a prediction."""
        picture = prediction.picture
        return cls(
            format=picture.format,
            width=picture.width,
            height=picture.height,
            best=prediction.best,
            labels=prediction.labels,
        )


@dataclass(kw_only=True, eq=False)
class Record:
    """One request.

    stages_ms    stage -> wall time; those of `STAGES` that it came to
    body_bytes   of the request's body, as far as it was read
    route        the path's pattern; "" where none matched
    status       of the answer; 0 before there is one
    rejected     why it was turned away before the model saw it; "" where it was not
    departure    done when the client has left; None where the server does not say
    run_options  ends the inference where its `terminate` is set
    """

    id: str
    method: str
    path: str
    route: str = ""
    status: int = 0
    body_bytes: int = 0
    rejected: str = ""
    verdict: Verdict | None = None
    departure: asyncio.Future[None] | None = None
    run_options: ort.RunOptions = field(default_factory=_run_options)
    stages_ms: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)
    begun_ns: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self._mark = self.begun
        self._ended: float | None = None

    @property
    def total_ms(self) -> float:
        """Wall time from its begin to its end, or to now where it goes on."""
        return 1e3 * ((self._ended or time.perf_counter()) - self.begun)

    def end(self) -> None:
        """There is nothing more to come."""
        self._ended = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for a stage."""
        now = time.perf_counter()
        self.stages_ms[stage] = self.stages_ms.get(stage, 0.0) + 1e3 * (now - self._mark)
        self._mark = now


_current: ContextVar[Record] = ContextVar("record")


def current() -> Record:
    """The record of the request that is being answered; an unused one where there is none."""
    record = _current.get(None)
    return Record(id="", method="", path="") if record is None else record


def begin(record: Record) -> None:
    """Make a record the current one of this context."""
    _current.set(record)
