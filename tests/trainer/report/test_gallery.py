from __future__ import annotations

from pathlib import Path

import numpy as np

from service.pixels import PixelSpec
from tests.support.photos import write_folder
from tests.trainer.report.conftest import decode
from trainer.catalog import hash_files, read_catalog
from trainer.recipe import Augmentation, Recipe
from trainer.report.gallery import draw_augmented_examples


def test_examples_show_the_augmentation_and_depend_only_on_the_seed(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    catalog = catalog.with_hashes(hash_files([catalog.file_of(row) for row in catalog.rows], threads=1))
    spec = PixelSpec(size=32, resize_short=32)
    none = Augmentation(flip=0, rotation_degrees=0, scale_min=1, aspect_max=1, lighting=0)
    for example in draw_augmented_examples(catalog, Recipe(augmentation=none), spec):
        quarters = np.asarray(decode(example.image_url), dtype=float).reshape(2, 32, 2, 32, 3).transpose(0, 2, 1, 3, 4)
        assert np.abs(quarters - quarters[0, 0]).mean() < 9  # JPEG; noise that differs would give 27
        colour = quarters.mean(axis=(0, 1, 2, 3))
        assert int(colour.argmax()) == {"red": 0, "green": 1, "blue": 2}[example.labels[0]]
    first, again, other = (draw_augmented_examples(catalog, Recipe(seed=seed), spec) for seed in (0, 0, 1))
    assert first == again != other
    assert {example.labels[0] for example in first[:3]} == {"blue", "green", "red"}
    assert len(first) == 12
