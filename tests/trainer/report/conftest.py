from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.support.photos import COLOURS, draw
from tests.support.trainer import trainer
from trainer.training.lr_find.result import LRFindResult, write_lr_find
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve

# Names that a page must show and never obey; the images of a class are of one colour.
NAMES = {
    "blue": "<script>document.title = 'taken'</script>",
    "green": '"><img src=http://example.com/x onerror=alert(1)> {{ 7 * 7 }}',
    "red": "grönsak 🍏 " + "very long " * 12,
}

FINDING = {
    "name": "too-few-epochs",
    "evidence": {"share_of_error": 0.1234567, "classes": ["<u>a", "b"]},
    "confidence": "high",
    "summary": "It was <em>still</em> learning.",
    "try": "python -m trainer fit DATA --epochs 16 --out RUN",
}


def fit(data: Path, run: Path, *more: str | Path) -> Result:
    options = ("--backbone", "tiny", "--epochs", "3", "--batch-size", "8", "--lr", "0.02", "--device", "cpu")
    return trainer("fit", data, "--out", run, "--cache", run.parent / "cache", *options, *more)


def write_table(root: Path) -> Path:
    """A CSV of strange names, in which every fifth image is mislabelled, so that there are mistakes to show."""
    root.mkdir()
    colours = list(COLOURS)
    with open(root / "table.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "label", "split"))
        for number in range(60):
            colour = colours[number % 3]
            path = f"<b>{number:02} & 'so'.png"
            draw(colour, number).save(root / path)
            shown = colours[(number + 1) % 3] if number % 5 == 0 else colour
            writer.writerow((path, NAMES[shown], "valid" if number < 20 else "train"))
    return root / "table.csv"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the table, its images and a finished run of them in `run`; to be read only."""
    home = tmp_path_factory.mktemp("report")
    result = fit(write_table(home / "data"), home / "run", "--name", "<i>Colours</i> & more")
    assert result.exit_code == 0, result.output
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run; its images are where they were."""
    return Path(shutil.copytree(finished / "run", tmp_path / "run"))


@pytest.fixture(scope="session")
def dressed(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run that was swept and diagnosed; to be read only."""
    run = Path(shutil.copytree(finished / "run", tmp_path_factory.mktemp("report") / "run"))
    write_lr_find(run / "lr_find.json", {"head": steep(), "finetune": flat()})
    (run / "diagnosis.json").write_text(json.dumps({"findings": [FINDING]}))
    result = trainer("report", run)
    assert result.exit_code == 0, result.output
    return run


def steep() -> LRFindResult:
    """A sweep whose suggestions lie near each other."""
    rates = np.geomspace(1e-7, 10, 100)
    losses = 2 - 1 / (1 + (rates / 1e-3) ** -2) + rates**2
    suggestions = Suggestions(valley=1.25e-3, steepest=8.5e-4, minimum_tenth=2e-3)
    return LRFindResult(
        curve=SweepCurve(
            lrs=rates, losses=losses, lowest=0.9 * losses, highest=1.1 * losses, diverged=True, seconds=1.0
        ),
        suggestions=suggestions,
        suggestion=suggestions.mean,
        rule="mean",
    )


def flat() -> LRFindResult:
    """A sweep of a model that is trained already, least at its beginning: a suggestion lies before the curve."""
    rates = np.geomspace(5e-7, 5, 80)
    losses = 0.4 + 0.004 * np.sin(5 * np.log(rates)) + 0.02 * rates + 0.1 * rates**3
    losses[0] = losses.min() - 1e-3
    return LRFindResult(
        curve=SweepCurve(
            lrs=rates, losses=losses, lowest=losses - 0.01, highest=losses + 0.01, diverged=True, seconds=1.0
        ),
        suggestions=Suggestions(valley=7e-4, steepest=1e-3, minimum_tenth=5e-8),
        suggestion=0.8,
        rule="edge",
    )
