from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trainer.report.lr_find_plot import draw_sweeps
from trainer.training.lr_find.result import LRFindResult
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve


def found() -> LRFindResult:
    """One whose lowest suggestion lies beyond the curve."""
    rates = np.geomspace(1e-6, 1, 60)
    losses = 2 - np.tanh(2 * (np.log10(rates) + 3))
    return LRFindResult(
        curve=SweepCurve(
            lrs=rates, losses=losses, lowest=losses - 0.1, highest=losses + 0.1, diverged=True, seconds=1.0
        ),
        suggestions=Suggestions(valley=1e-8, steepest=1e-3, minimum_tenth=1e-2),
        suggestion=1e-3,
        rule="mean",
    )


def test_a_panel_for_each_stage_in_place_of_an_older_plot(tmp_path: Path) -> None:
    path = tmp_path / "lr_find.png"
    path.write_text("older")
    draw_sweeps(path, {"finetune": found()})
    with Image.open(path) as picture:
        one = picture.size
    draw_sweeps(path, {"head": found(), "finetune": found()})
    with Image.open(path) as picture:
        assert picture.size == (one[0], 2 * one[1])
    assert [place.name for place in tmp_path.iterdir()] == ["lr_find.png"]
