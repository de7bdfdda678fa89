from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from trainer.training.lr_find.result import LRFindResult, format_lr, read_lr_find, write_lr_find
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve


def result(*, diverged: bool = True) -> LRFindResult:
    """Of a loss that falls and then rises; the recipe's learning rate is 4e-3."""
    lrs = np.geomspace(1e-6, 1, 61)
    losses = 2 - np.tanh(2 * (np.log10(lrs) + 3)) + np.exp(8 * (np.log10(lrs) + 1.2))
    curve = SweepCurve(
        lrs=lrs, losses=losses, lowest=losses - 0.1, highest=losses + 0.1, diverged=diverged, seconds=12.34
    )
    return LRFindResult.of(curve, recipe_lr=4e-3)


def test_what_was_found_is_read_back(tmp_path: Path) -> None:
    path, found = tmp_path / "lr_find.json", {"head": result(), "finetune": result(diverged=False)}
    write_lr_find(path, found)  # type: ignore[arg-type]
    read = read_lr_find(path)
    assert {stage: each.to_json() for stage, each in read.items()} == {
        stage: each.to_json() for stage, each in found.items()
    }
    assert list(read) == ["head", "finetune"]


def test_without_a_file_nothing_was_found(tmp_path: Path) -> None:
    assert read_lr_find(tmp_path / "none.json") == {}


def test_the_explanation_says_whether_the_suggestions_agree_and_what_was_chosen() -> None:
    found = result()
    assert not found.suggestions.agree
    assert found.explanation == (
        f"the suggestions disagree by more than 3x ({found.suggestions.disagreement:.3g}x apart); "
        "chosen: their geometric mean"
    )
    chosen, valley = format_lr(found.suggestion), format_lr(found.suggestions.valley)
    assert found.summary_line.startswith(f"learning rate {chosen}, from sweeps of 12.3 s: valley {valley}, ")
    assert found.table("head")[0] == "head: not clear; keep the default learning rate"
    assert found.table("head")[5].endswith("; sweeps of 12.3 s")
    assert found.table("head")[4].split() == ["chosen", chosen]


def test_a_clear_result_starts_with_the_learning_rate() -> None:
    found = result()
    lr = found.suggestions.steepest
    clear = replace(found, suggestions=Suggestions(valley=lr, steepest=lr, minimum_tenth=2 * lr))
    assert clear.table("head")[0] == f"head: {format_lr(found.suggestion)}"
    assert replace(clear, rule="edge").table("head")[0] == "head: not clear; keep the default learning rate"


@pytest.mark.parametrize(("lr", "text"), [(4.8e-3, "4.8e-3"), (1.0, "1.0e0"), (10.0, "1.0e1"), (1e-12, "1.0e-12")])
def test_a_learning_rate_is_written_as_people_write_it(lr: float, text: str) -> None:
    assert format_lr(lr) == text
