"""A finished run of many classes, made without training, for what shows or reads a run."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image

from service.pixels import PixelSpec
from tests.support.bundles import metrics_json, write_tiny_bundle
from trainer.catalog import COARSE_COLUMN, Columns, ReadOptions, Row, read_catalog, write_table
from trainer.predictions import write_predictions
from trainer.recipe import DataSource, Recipe, recipe_to_toml

_FAMILY = 5  # classes of one coarse label, which are confused with each other


def write_run_of(
    home: Path,
    class_count: int,
    *,
    train: int = 6,
    valid: int = 5,
    size: int = 32,
    coarse: bool = False,
    name: str = "species",
) -> Path:
    """HOME/run, whose classes `species 0` ... are often taken for their neighbours, and its images in HOME/images.

    size    side of the images and of what the model sees, pixels
    coarse  whether five classes each have a coarse label
    name    what the names of the classes begin with
    """
    random = np.random.default_rng(0)
    (home / "images").mkdir(parents=True)
    pictures = [_photo(random, size) for _ in range(12)]
    rows = []
    for label in range(class_count):
        for number in range(train + valid):
            path = f"images/{label}-{number}.jpg"
            data = pictures[(label + number) % len(pictures)]
            (home / path).write_bytes(data)
            rows.append(
                Row(
                    path=path,
                    labels=frozenset({f"{name} {label}"}),
                    split="train" if number < train else "valid",
                    sha256=hashlib.sha256(data).hexdigest(),
                    coarse_label=f"family {label // _FAMILY}" if coarse else "",
                )
            )
    run = home / "run"
    run.mkdir()
    data = DataSource(path=str(home), base=str(home), coarse_column=COARSE_COLUMN if coarse else "")
    (run / "recipe.toml").write_text(recipe_to_toml(Recipe(data=data)))
    write_table(run / "catalog.csv", sorted(rows, key=lambda row: row.path), label_delimiter=None)
    options = ReadOptions(root=home, columns=Columns(coarse=COARSE_COLUMN if coarse else None))
    catalog = read_catalog(run / "catalog.csv", options)
    targets = catalog.targets(catalog.split("valid"))
    shown = np.array([catalog.classes.index(f"{name} {label}") for label in range(class_count)])
    place = np.argsort(shown)[targets]
    other = shown[(place // _FAMILY * _FAMILY + random.integers(0, _FAMILY, len(place))).clip(0, class_count - 1)]
    probabilities = random.random((len(targets), class_count)) * 0.2 / class_count
    probabilities[np.arange(len(targets)), targets] += random.uniform(0.2, 0.8, len(targets))
    probabilities[np.arange(len(targets)), other] += random.uniform(0.1, 0.6, len(targets))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    write_predictions(run / "predictions.csv", catalog, probabilities, thresholds=())
    (run / "history.jsonl").write_text("")
    accuracy = float((probabilities.argmax(axis=1) == targets).mean())
    metrics = {"validation": {"accuracy": accuracy, "images": len(targets), "loss": 1.0}}
    write_tiny_bundle(
        run / "bundle",
        name=f"{class_count} species",
        classes=catalog.classes,
        pixels=PixelSpec(size=size, resize_short=size),
        replace={"metrics.json": metrics_json(metrics)},
    )
    return run


def _photo(random: np.random.Generator, size: int) -> bytes:
    """A JPEG with large and small shapes, as a photo has."""
    layers = [
        Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((size, size))
        for side in (3, max(4, size // 8))
    ]
    picture = Image.blend(layers[0], layers[1], 0.35)
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=90)
    return bytes(file.getvalue())
