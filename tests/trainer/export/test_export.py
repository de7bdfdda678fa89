"""A bundle is for others: nothing in it may name the machine that it was made on."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import onnx
import pytest
import torch

from service.bundle import read_bundle
from trainer.catalog import read_catalog
from trainer.data import Decoding, decode_learned, hash_and_decode
from trainer.export import Exportable, LearnedImages, export_bundle
from trainer.model import Classifier, load_backbone
from trainer.progress import NoProgress
from trainer.recipe import DataSource, Recipe


@pytest.mark.parametrize(("backbone_name", "size"), [("tiny", 32), ("efficientnet_lite0", 64)])
@pytest.mark.parametrize("golden", ["synthetic", "validation"])
def test_no_path_of_this_machine_is_in_a_bundle(
    photos: Path, tmp_path: Path, cache: Path, backbone_name: str, size: int, golden: str
) -> None:
    """Torch's exporter writes stack traces, with the paths of its source files, into the graph."""
    target, trained = tmp_path / "bundle", exportable(photos, cache, backbone_name, size, golden)
    export_bundle(trained, target, version="1", threads=1, progress=NoProgress())
    assert read_bundle(target).spec.pixels.size == size
    files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert len(files) == 12
    # The bytes of weights and pixels may be any, so short texts are looked for in everything but them.
    model = onnx.load_from_string(files["model.onnx"])
    for weight in model.graph.initializer:
        weight.ClearField("raw_data")
    texts = {name: data for name, data in files.items() if name.endswith((".json", ".md", ".sha256"))}
    texts["model.onnx"] = model.SerializeToString()
    private = [str(path) for path in (photos, tmp_path, Path.cwd(), Path(torch.__file__).parent)]
    for name, data in files.items():
        assert not [text for text in (*private, "/site-packages") if text.encode() in data], name
    for name, data in texts.items():
        for text in (*private, str(Path.home()), tempfile.gettempdir(), "site-packages", tmp_path.name):
            assert text.encode() not in data, f"{text} is in {name}"
    assert not re.findall(rb"\.py|File |doc_string|stack_trace", texts["model.onnx"])


def exportable(photos: Path, cache: Path, backbone_name: str, size: int, golden: str) -> Exportable:
    """An untrained classifier with a recipe that has a path wherever a recipe can have one."""
    catalog = read_catalog(photos)
    backbone = load_backbone(backbone_name, size=size, weights="none")
    decoding = Decoding(cache=cache, threads=1, progress=NoProgress())
    _, valid, _ = hash_and_decode(catalog, catalog.split("valid"), backbone.pixels, decoding=decoding)
    rows, images = decode_learned(catalog, backbone.pixels, seed=0, decoding=decoding, hashed=False)
    folder = str(photos)
    recipe = Recipe(
        backbone=backbone_name,
        size=size,
        name="photos",
        golden=golden,
        weights=f"{folder}/weights.safetensors",
        data=DataSource(path=folder, root=folder, valid=folder, base=folder),
    )
    return Exportable(
        classifier=Classifier(backbone, class_count=len(catalog.classes)),
        pixels=backbone.pixels,
        catalog=catalog,
        checked=valid,
        learned=lambda: LearnedImages(pixels=images, targets=catalog.targets(rows)),
        recipe=recipe,
        unreadable_count=0,
        head_trained=True,
    )
