from __future__ import annotations

from pathlib import Path

import numpy as np

from service.pixels import load
from tests.support.photos import write_folder
from trainer.catalog import read_catalog
from trainer.data.prepare import prepare
from trainer.model import load_backbone
from trainer.progress import NoProgress


def test_some_training_images_are_decoded_as_the_service_does_it(tmp_path: Path) -> None:
    photos, pixels = write_folder(tmp_path / "photos", each=40), load_backbone("tiny").pixels
    prepared = prepare(
        read_catalog(photos), pixels=pixels, seed=3, cache=tmp_path / "cache", threads=2, progress=NoProgress()
    )
    data, rows = prepared.data, prepared.catalog.split("train")
    assert len(data.subset) == len(data.subset_positions) == 64
    assert data.subset_targets.tolist() == data.train_targets[data.subset_positions].tolist()
    for number, position in enumerate(data.subset_positions.tolist()):
        served = load((photos / rows[position].path).read_bytes(), pixels).pixels
        assert np.array_equal(data.subset.batch(np.array([number]))[0], served)
