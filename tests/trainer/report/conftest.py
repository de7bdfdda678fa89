from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from tests.support.photos import COLOURS, draw
from tests.support.trainer import trainer
from trainer.training.lr_find.result import LRFindResult, write_lr_find
from trainer.training.lr_find.suggestions import Suggestions
from trainer.training.lr_find.sweep import SweepCurve

# Labels that the page must show as text and never run; the images of a label have one colour.
NAMES = {
    "blue": "<script>document.title = 'taken'</script>",
    "green": '"><img src=http://example.com/x onerror=alert(1)> {{ 7 * 7 }}',
    "red": "grönsak 🍏 " + "very long " * 12,
}

FINDING = {
    "name": "too-few-epochs",
    "evidence": {"fraction_of_error": 0.1234567, "classes": ["<u>a", "b"]},
    "confidence": "high",
    "summary": "It was <em>still</em> learning.",
    "try": "fieldguide fit DATA --epochs 16 --out RUN",
}


def fit(data: Path, run: Path, *more: str | Path) -> Result:
    options = ("--backbone", "tiny", "--epochs", "3", "--batch-size", "8", "--lr", "0.02", "--device", "cpu")
    return trainer("fit", data, "--out", run, "--cache", run.parent / "cache", *options, *more)


def decode(data_url: str | None) -> Image.Image:
    assert data_url is not None
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2])))


def write_table(root: Path) -> Path:
    """A CSV with unusual labels. Every fifth image has a wrong label, so that there are wrong predictions to show."""
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
    """A folder with a table, its images, and a finished run in `run`. Do not change it."""
    home = tmp_path_factory.mktemp("report")
    result = fit(write_table(home / "data"), home / "run", "--name", "<i>Colours</i> & more")
    assert result.exit_code == 0, result.output
    return home


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run; its images have not moved."""
    return Path(shutil.copytree(finished / "run", tmp_path / "run"))


@pytest.fixture(scope="session")
def with_findings(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the finished run with results of the learning rate finder and a finding. Do not change it."""
    run = Path(shutil.copytree(finished / "run", tmp_path_factory.mktemp("report") / "run"))
    write_lr_find(run / "lr_find.json", {"head": steep_lr_find(), "finetune": flat_lr_find()})
    (run / "diagnosis.json").write_text(json.dumps({"findings": [FINDING]}))
    result = trainer("report", run)
    assert result.exit_code == 0, result.output
    return run


def steep_lr_find() -> LRFindResult:
    """A result whose methods agree."""
    lrs = np.geomspace(1e-7, 10, 100)
    losses = 2 - 1 / (1 + (lrs / 1e-3) ** -2) + lrs**2
    suggestions = Suggestions(valley=1.25e-3, steepest=8.5e-4, minimum_tenth=2e-3)
    return LRFindResult(
        curve=SweepCurve(lrs=lrs, losses=losses, lowest=0.9 * losses, highest=1.1 * losses, diverged=True, seconds=1.0),
        suggestions=suggestions,
        suggestion=suggestions.mean,
        rule="mean",
    )


def flat_lr_find() -> LRFindResult:
    """A result for a trained model: its lowest loss is the first, so that one suggestion is left of the curve."""
    lrs = np.geomspace(5e-7, 5, 80)
    losses = 0.4 + 0.004 * np.sin(5 * np.log(lrs)) + 0.02 * lrs + 0.1 * lrs**3
    losses[0] = losses.min() - 1e-3
    return LRFindResult(
        curve=SweepCurve(
            lrs=lrs, losses=losses, lowest=losses - 0.01, highest=losses + 0.01, diverged=True, seconds=1.0
        ),
        suggestions=Suggestions(valley=7e-4, steepest=1e-3, minimum_tenth=5e-8),
        suggestion=0.8,
        rule="edge",
    )
