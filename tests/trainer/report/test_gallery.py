from __future__ import annotations

from pathlib import Path

import numpy as np

from service.bundle import read_bundle
from service.pixels import PixelSpec
from service.predictor import Predictor
from tests.support.bundles import write_tiny_bundle
from tests.support.photos import write_folder
from tests.trainer.report.conftest import decode
from trainer.catalog import hash_files, read_catalog
from trainer.predictions import prediction_rows
from trainer.recipe import Augmentation, Recipe
from trainer.report.gallery import draw_augmented_examples, draw_top_losses


def test_examples_show_the_augmentation_and_depend_only_on_the_seed(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    catalog = catalog.with_hashes(hash_files([catalog.file_of(row) for row in catalog.rows], threads=1).digests)
    spec = PixelSpec(size=32, resize_short=32)
    none = Augmentation(flip=0, rotation_degrees=0, scale_min=1, aspect_max=1, lighting=0)
    for example in draw_augmented_examples(catalog, Recipe(augmentation=none), spec, count=12, rows_each=2):
        quarters = np.asarray(decode(example.image_url), dtype=float).reshape(2, 32, 2, 32, 3).transpose(0, 2, 1, 3, 4)
        assert np.abs(quarters - quarters[0, 0]).mean() < 9  # JPEG; noise that differs would give 27
        colour = quarters.mean(axis=(0, 1, 2, 3))
        assert int(colour.argmax()) == {"red": 0, "green": 1, "blue": 2}[example.labels[0]]
    first, again, other = (
        draw_augmented_examples(catalog, Recipe(seed=seed), spec, count=12, rows_each=2) for seed in (0, 0, 1)
    )
    urls, again_urls, other_urls = ([example.image_url for example in each] for each in (first, again, other))
    assert urls == again_urls != other_urls
    assert {example.labels[0] for example in first[:3]} == {"blue", "green", "red"}
    assert len(first) == 12


def test_an_image_that_cannot_be_decoded_is_skipped(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos")
    for path in sorted((folder / "red").iterdir()):
        path.write_bytes(b"broken")
    examples = draw_augmented_examples(
        read_catalog(folder), Recipe(), PixelSpec(size=32, resize_short=32), count=5, rows_each=1
    )
    assert [example.pixels.shape for example in examples] == [(32, 32, 3)] * 5
    assert {example.labels[0] for example in examples} == {"blue", "green"}


def test_a_mistake_is_shown_with_what_is_predicted_also_where_the_model_would_abstain(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    rows = prediction_rows(catalog, np.full((len(catalog.split("valid")), 3), 1 / 3), thresholds=())
    never_sure = Predictor(read_bundle(write_tiny_bundle(tmp_path / "bundle", abstain={})))
    shown = draw_top_losses(rows[:2], catalog, never_sure)
    assert [[label.label for label in loss.predicted] for loss in shown] == [[loss.best] for loss in shown]
