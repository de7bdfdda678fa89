"""The sheet shows what training is fed: compared with the batches of a training on the same images."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from service.pixels import PixelSpec, load
from tests.support.photos import draw, write_folder, write_tagged_csv
from trainer.catalog import Catalog, Columns, ReadOptions, hash_files, read_catalog
from trainer.data import Decoding, prepare
from trainer.recipe import FinetuneRecipe, Recipe, Sizes
from trainer.report.contact_sheet import ContactSheet, draw_contact_sheet, draw_image_sheet
from trainer.report.contact_sheet_page import render_contact_sheet
from trainer.report.contact_sheet_png import contact_sheet_png
from trainer.training.batches import Batches
from trainer.training.phases import Phases
from trainer.training.session import open_session

CPU = torch.device("cpu")
SPEC = PixelSpec(size=32, resize_short=36)


def write_odd_images(folder: Path) -> Path:
    """Three classes; among them a pixel, a strip, a large image, one with an orientation, and files that are broken."""
    write_folder(folder, each=8)
    draw("red", 100, width=1, height=1).save(folder / "red" / "pixel.png")
    draw("red", 101, width=1000, height=21).save(folder / "red" / "strip.png")
    draw("blue", 102, width=2400, height=1800).save(folder / "blue" / "large.jpg")
    turned = Image.Exif()
    turned[274] = 6
    draw("green", 103, width=90, height=60).save(folder / "green" / "turned.jpg", exif=turned)
    (folder / "blue" / "000.jpg").write_bytes(b"no picture")
    (folder / "red" / "zz.jpg").write_bytes((folder / "red" / "001.jpg").read_bytes()[:-400])
    return folder


def hashed(catalog: Catalog) -> Catalog:
    return catalog.with_hashes(hash_files([catalog.file_of(row) for row in catalog.rows], threads=1).digests)


def fed_by_training(catalog: Catalog, recipe: Recipe, cache: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Every image of epoch 1 by its path; and, if the recipe mixes, the images of its first step."""
    prepared = prepare(catalog, SPEC, seed=recipe.seed, decoding=Decoding(cache, threads=1))
    session = open_session(prepared.data.train, CPU)
    batches, size = Batches(prepared.data, recipe, session), Phases(recipe.finetune, prepared.data)[0].size
    rows = prepared.catalog.split("train")
    found: dict[str, np.ndarray] = {}
    first = np.empty(0)
    for number, samples in enumerate(batches.of_epoch(0)):
        batch = batches.load(samples, slice(0, len(samples)), mix=None, epoch=0, size=size)
        images = batch.pixels.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
        found |= {rows[position].path: image for position, image in zip(samples % len(rows), images, strict=True)}
        if not number:
            mix = batches.draw_mix(0, len(samples), size=size)
            mixed = batches.load(samples, slice(0, len(samples)), mix=mix, epoch=0, size=size)
            first = mixed.pixels.permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
    return found, first


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(seed=3, finetune=FinetuneRecipe(epochs=2, batch_size=4)),
        Recipe(finetune=FinetuneRecipe(sizes=Sizes.parse("64:1,32:1"), mixup=0.2, cutmix=1.0, batch_size=40)),
        Recipe(balance="sampler", finetune=FinetuneRecipe(epochs=1, crop_scale=2.0)),
    ],
    ids=["plain", "larger and mixed", "sampler"],
)
def test_the_images_are_those_of_the_first_epoch(tmp_path: Path, recipe: Recipe) -> None:
    catalog = hashed(read_catalog(write_odd_images(tmp_path / "photos"), ReadOptions(seed=recipe.seed)))
    sheet = draw_contact_sheet(catalog, recipe, SPEC, count=100)
    expected, first_step = fed_by_training(catalog, recipe, tmp_path / "cache")
    train, *mixed, valid = sheet.sections
    if recipe.balance == "none":
        assert {tile.path for tile in train.tiles} == {*expected}
    for tile in train.tiles:
        if tile.path in expected:  # the sampler leaves some out
            assert np.array_equal(tile.pixels, expected[tile.path]), tile.path
    assert [section.heading for section in mixed] == (["Mixed images"] if recipe.finetune.mixup else [])
    for section in mixed:
        assert np.array_equal(np.stack([tile.pixels for tile in section.tiles]), first_step)
        assert any(" % " in tile.title.replace("\u00a0", " ") for tile in section.tiles)
    for tile in valid.tiles:
        assert np.array_equal(tile.pixels, load((catalog.root / tile.path).read_bytes(), SPEC).pixels)


def test_images_with_several_labels(tmp_path: Path) -> None:
    table = write_tagged_csv(tmp_path / "tagged")
    catalog = hashed(read_catalog(table, ReadOptions(columns=Columns(label="tags", label_delimiter=";"))))
    recipe = Recipe(finetune=FinetuneRecipe(epochs=1))
    sheet = draw_contact_sheet(catalog, recipe, SPEC, count=100)
    expected, _ = fed_by_training(catalog, recipe, tmp_path / "cache")
    assert {tile.path: tile.pixels.tobytes() for tile in sheet.sections[0].tiles} == {
        path: image.tobytes() for path, image in expected.items()
    }
    titles = {tile.title for section in sheet.sections for tile in section.tiles}
    assert {"no label", "red", "blue, green"} <= titles


def test_an_image_in_nine_epochs(tmp_path: Path) -> None:
    catalog = hashed(read_catalog(write_folder(tmp_path / "photos")))
    row = catalog.split("train")[7]
    sheet = draw_image_sheet(catalog, Recipe(), SPEC, row=row)
    assert [tile.title for tile in sheet.sections[0].tiles] == [f"Epoch {number}" for number in range(1, 10)]
    (same,) = [
        tile
        for tile in draw_contact_sheet(catalog, Recipe(), SPEC, count=100).sections[0].tiles
        if tile.path == row.path
    ]
    assert np.array_equal(sheet.sections[0].tiles[0].pixels, same.pixels)
    assert len({tile.pixels.tobytes() for tile in sheet.sections[0].tiles}) == 9
    held_out = draw_image_sheet(catalog, Recipe(), SPEC, row=catalog.split("valid")[0])
    assert "validation image: this is what augmentation would do" in held_out.sections[0].lead
    head = draw_image_sheet(catalog, replace(Recipe(), finetune=FinetuneRecipe(epochs=0)), SPEC, row=row)
    assert head.sections[0].tiles[1].title == "View 2 of the head stage"


def test_the_crop_is_drawn_where_it_is_taken(tmp_path: Path) -> None:
    """Each original is bright inside of its crop alone; its mean colour there is that of the view."""
    folder = tmp_path / "photos"
    for label in ("a", "b"):
        (folder / label).mkdir(parents=True)
        for number in range(6):
            y, x = np.mgrid[0:90, 0:120]
            pixels = np.stack([x * 2, y * 2, np.full_like(x, 120 + number)], axis=2).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{label}{number}.png")
    recipe = Recipe(augmentation=replace(Recipe().augmentation, lighting=0, rotation_degrees=0, scale_min=0.1))
    sheet = draw_contact_sheet(hashed(read_catalog(folder)), recipe, SPEC, count=12)
    for tile in (tile for section in sheet.sections for tile in section.tiles):
        assert tile.original is not None
        assert tile.original.shape == (240, 320, 3)
        inside = (tile.original[..., 2] >= 118) & (tile.original.min(axis=2) < 250)  # neither dark nor the outline
        assert 0.05 < inside.mean() < 0.995
        assert tile.original[inside].mean(axis=0) == pytest.approx(tile.pixels.mean(axis=(0, 1)), abs=6)


def as_png(sheet: ContactSheet) -> Image.Image:
    return Image.open(io.BytesIO(contact_sheet_png(sheet)))


def test_a_thousand_classes_with_long_names(tmp_path: Path) -> None:
    """Every image shown is of another class, and no text leaves its place."""
    folder = tmp_path / "photos"
    for number in range(1000):
        name = f"{number:03} " + ("Ünïcode <b>&\N{SNOWMAN} " * 12).strip()
        (folder / name).mkdir(parents=True)
        for image in range(2):
            Image.new("RGB", (4, 3), (number % 256, number // 256, image)).save(folder / name / f"{image}.bmp")
    sheet = draw_contact_sheet(read_catalog(folder), Recipe(), SPEC, count=24)
    assert len({tile.labels for tile in sheet.sections[0].tiles}) == 24
    assert "1,000 classes" in sheet.lead
    image = as_png(sheet)
    assert image.width == 1516
    margins = np.asarray(image)[:, [*range(40), *range(1476, 1516)]]
    assert (margins == margins[0, 0]).all()
    page = render_contact_sheet(sheet)
    assert "<b>" not in page
    assert "&lt;b&gt;&amp;" in page
