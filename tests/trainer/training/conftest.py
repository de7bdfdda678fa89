"""Small data that every test of this folder may train on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tests.support.photos import write_folder, write_tagged_csv
from trainer.catalog import Columns, ReadOptions, read_catalog
from trainer.data import Decoding, Prepared, prepare
from trainer.model import Backbone, load_backbone


@pytest.fixture
def backbone() -> Backbone:
    """The tiny backbone, as if it were pretrained: its norms are frozen and there is a head stage."""
    return dataclasses.replace(load_backbone("tiny"), pretrained=True)


@pytest.fixture
def prepared(tmp_path: Path, backbone: Backbone) -> Prepared:
    """36 images of three classes, some of them held out."""
    catalog = read_catalog(write_folder(tmp_path / "photos"))
    return prepare(catalog, backbone.pixels, seed=0, decoding=Decoding(tmp_path / "cache", threads=2))


@pytest.fixture
def tagged(tmp_path: Path, backbone: Backbone) -> Prepared:
    """36 images with none, one or two of three labels, some of them held out."""
    table = write_tagged_csv(tmp_path / "tagged")
    catalog = read_catalog(table, ReadOptions(columns=Columns(label="tags", label_delimiter=";")))
    return prepare(catalog, backbone.pixels, seed=0, decoding=Decoding(tmp_path / "cache", threads=2))
