from __future__ import annotations

import time

from service.web import record
from service.web.record import Record


def make_record() -> Record:
    return Record(id="1", method="POST", path="/analyze")


def test_stages_add_up_to_the_whole_time() -> None:
    request = make_record()
    for stage in ("parse", "decode", "decode"):
        time.sleep(0.02)
        request.lap(stage)
    request.finish()
    assert list(request.stages_ms) == ["parse", "decode"]
    assert request.stages_ms["decode"] > 35
    assert 58 < sum(request.stages_ms.values()) <= request.total_ms


def test_outside_of_requests_there_is_an_unused_record() -> None:
    assert record.current() is not record.current()
