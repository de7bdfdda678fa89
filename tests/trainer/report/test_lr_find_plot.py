from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from trainer.report.lr_find_plot import write_lr_find_plot
from trainer.training.lr_find.result import LRFindResult
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve


def result() -> LRFindResult:
    """A result whose lowest suggestion is left of the curve."""
    lrs = np.geomspace(1e-6, 1, 60)
    losses = 2 - np.tanh(2 * (np.log10(lrs) + 3))
    return LRFindResult(
        curve=SweepCurve(lrs=lrs, losses=losses, lowest=losses - 0.1, highest=losses + 0.1, diverged=True, seconds=1.0),
        suggestions=Suggestions(valley=1e-8, steepest=1e-3, minimum_tenth=1e-2),
        suggestion=1e-3,
        rule="mean",
    )


def test_each_stage_has_a_panel_and_an_older_plot_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "lr_find.png"
    path.write_text("old")
    write_lr_find_plot(path, {"finetune": result()})
    with Image.open(path) as image:
        width, height = image.size
    write_lr_find_plot(path, {"head": result(), "finetune": result()})
    with Image.open(path) as image:
        assert image.size == (width, 2 * height)
    assert [file.name for file in tmp_path.iterdir()] == ["lr_find.png"]
