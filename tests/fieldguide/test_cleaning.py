"""Suspects and the page of `clean` from Python."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest

import fieldguide
from tests.support.cleaning import write_untrained_run
from tests.support.photos import draw, write_folder
from trainer.errors import TrainerError


@pytest.fixture
def run(tmp_path: Path) -> fieldguide.Run:
    photos = write_folder(tmp_path / "photos")
    draw("red", 50).save(photos / "blue" / "<b>wrong.jpg", quality=95)
    return fieldguide.open_run(write_untrained_run(photos, tmp_path / "run"))


def test_suspects_are_a_table(run: fieldguide.Run, tmp_path: Path) -> None:
    suspects = run.suspects(5)
    assert [suspect.kind for suspect in suspects] == ["wrong"] * 5 + ["off-topic"] * 5
    first = suspects[0]
    assert (first.path, first.labels, first.proposal) == ("blue/<b>wrong.jpg", ("blue",), "red")
    assert first.reason.startswith("A model that has not seen it says 'red'")
    frame = pd.DataFrame(suspects)
    assert list(frame.columns) == ["kind", "path", "split", "labels", "proposal", "probability", "reason"]
    assert len(frame) == 10
    shown = suspects._repr_html_()
    assert "&lt;b&gt;wrong.jpg" in shown
    assert "<b>" not in shown
    assert repr(first) in repr(suspects)
    assert len(suspects[1:3]) == 2
    shutil.move(tmp_path / "photos", tmp_path / "elsewhere")  # the images need not be there
    assert run.suspects(5)[0] == first
    with pytest.raises(ValueError, match="n"):
        run.suspects(0)


def test_a_run_without_features_says_how_to_get_them(run: fieldguide.Run) -> None:
    (run.path / "features.npy").unlink()
    with pytest.raises(TrainerError, match=r"has no features\.npy; `clean\('.*run'\)` computes them"):
        run.suspects()


@pytest.mark.parametrize("decides", [True, False])
def test_the_page_is_served_beside_the_loop_of_a_notebook_until_an_interrupt(
    run: fieldguide.Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, decides: bool
) -> None:
    """An interrupt reaches the thread that waits; here its place is taken by one that raises."""
    printed, threads = threading.Event(), []
    lines_shown: list[str] = []
    monkeypatch.setattr(
        "fieldguide.cleaning.show_progress",
        lambda wanted: _Shown(lambda text: (lines_shown.append(text), "open http" in text and printed.set())),
    )
    join = threading.Thread.join

    def interrupted(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name != "page" or thread in threads:
            join(thread, timeout)
            return
        threads.append(thread)
        assert printed.wait(30)
        (address,) = re.findall(r"http://[^ ;]+token=[^ ;]+", " ".join(lines_shown))
        with httpx.Client(follow_redirects=True) as client:
            assert client.get(address).status_code == 200
            origin = address.partition("/open")[0]
            if decides:
                body = {"edits": [{"kind": "remove", "ids": [0]}]}
                client.post(f"{origin}/api/edits", json=body, headers={"Origin": origin}).raise_for_status()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)

    async def cell() -> Path | None:
        return run.clean(browser=False)

    cleaned = asyncio.run(cell())
    assert cleaned == (run.path.absolute() / "cleaned.csv" if decides else None)
    assert (run.path / "cleaned.csv").exists() == decides
    assert not threads[0].is_alive()


class _Shown:
    """What a person is shown."""

    def __init__(self, show: Any) -> None:
        self.info = show

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *error: object) -> None:
        return None
