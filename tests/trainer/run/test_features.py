"""RUN/features.npy, by a pretrained tiny network."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from service.pixels import load
from tests.support.photos import COLOURS, write_folder
from tests.support.trainer import fit, table, trainer
from trainer.errors import RunError
from trainer.model import Classifier, load_backbone
from trainer.run.features import read_features
from trainer.run.folder import RunFolder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of weights for `tiny`."""
    path = tmp_path / "weights.safetensors"
    save_file(load_backbone("tiny", seed=5).body.state_dict(), path)
    return path


def split_photos(folder: Path) -> Path:
    """A CSV of 36 images, a third of them in each split; the last test image is cut off in the middle."""
    write_folder(folder / "photos")
    rows = [
        (f"photos/{label}/{number:03}.jpg", label, ("train", "valid", "test")[number % 3])
        for label in COLOURS
        for number in range(12)
    ]
    broken = folder / rows[-1][0]
    broken.write_bytes(broken.read_bytes()[:400])
    with (folder / "photos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label", "split"), *rows])
    return folder / "photos.csv"


def test_every_image_of_the_catalog_has_a_row(tmp_path: Path, run: Path, weights: Path) -> None:
    data = split_photos(tmp_path)
    assert fit(data, run, "--weights", weights, "--epochs", "1").exit_code == 0
    rows = table(run / "catalog.csv")
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
    features = read_features(RunFolder(run), count=len(rows))
    assert features is not None
    assert features.dtype == np.float16

    backbone = load_backbone("tiny", weights=str(weights))
    network = Classifier(backbone, class_count=1).eval()
    broken = [row["path"] for row, values in zip(rows, features, strict=True) if np.isnan(values).all()]
    assert broken == ["photos/red/011.jpg"]
    for row, values in zip(rows, features.astype(np.float32), strict=True):
        if row["path"] in broken:
            continue
        pixels = load((tmp_path / row["path"]).read_bytes(), backbone.pixels).pixels
        with torch.no_grad():
            seen = network.embed(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float())[0].numpy()
        # Training images come from the larger ones that are kept for crops.
        tolerance = 0.15 if row["split"] == "train" else 0.02
        assert np.linalg.norm(values - seen) < tolerance * np.linalg.norm(seen), row

    # Once there is a checkpoint, the backbone is not what it was: nothing wrong is written in place of a lost file.
    (run / "features.npy").unlink()
    (run / "bundle").rename(tmp_path / "bundle")
    assert trainer("resume", run, "--cache", tmp_path / "cache").exit_code == 0
    assert read_features(RunFolder(run), count=len(rows)) is None


def test_without_validation_too(photos: Path, run: Path, weights: Path) -> None:
    assert fit(photos, run, "--split", "none", "--weights", weights, "--epochs", "0").exit_code == 0
    features = read_features(RunFolder(run), count=36)
    assert features is not None
    assert np.isfinite(features).all()


@pytest.mark.parametrize("content", ["rows", "float", "text", "short"])
def test_a_file_that_does_not_belong_to_the_run_is_refused(tmp_path: Path, content: str) -> None:
    run = RunFolder(tmp_path)
    np.save(run.features, np.zeros((3 if content == "rows" else 4, 2), dtype="f4" if content == "float" else "f2"))
    if content == "text":
        run.features.write_text("not an array")
    if content == "short":
        run.features.write_bytes(run.features.read_bytes()[:-3])
    with pytest.raises(RunError, match=r"features\.npy .+remove it"):
        read_features(run, count=4)
