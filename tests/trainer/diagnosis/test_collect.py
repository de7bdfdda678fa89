from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.photos import write_folder
from trainer.catalog import read_catalog
from trainer.diagnosis.collect import regroup


def test_regrouping_puts_near_duplicates_into_one_split(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos", each=20))
    rows = (*catalog.split("train"), *catalog.split("valid"))
    number = {row.path: int(Path(row.path).stem) // 4 + 5 * catalog.classes.index(*row.labels) for row in rows}
    random = np.random.default_rng(0)
    scenes = random.normal(size=(15, 32))  # four photos of each
    embeddings = np.array([scenes[number[row.path]] for row in rows]) + 0.05 * random.normal(size=(60, 32))
    found = regroup(catalog, embeddings, seed=0)
    assert found
    train, valid = ({number[row.path] for row in rows} for rows in (found.split("train"), found.split("valid")))
    assert not train & valid
    assert {row.path for row in found.rows} == {row.path for row in catalog.rows}
    assert len(found.split("valid")) == len(catalog.split("valid"))
    assert {label for row in found.split("valid") for label in row.labels} == set(catalog.classes)


def test_if_each_class_is_one_scene_there_is_no_other_split(tmp_path: Path) -> None:
    catalog = read_catalog(write_folder(tmp_path / "photos", each=5))
    rows = (*catalog.split("train"), *catalog.split("valid"))
    random = np.random.default_rng(0)
    scenes = random.normal(size=(3, 32))
    embeddings = np.array([scenes[catalog.classes.index(*row.labels)] for row in rows])
    assert regroup(catalog, embeddings + 0.01 * random.normal(size=embeddings.shape), seed=0) is None
