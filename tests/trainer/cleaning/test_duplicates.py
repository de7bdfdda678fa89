"""Groups of the same images, and what a check found."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from PIL import Image

from tests.support.photos import draw, write_folder
from trainer.catalog import Row, hash_files, read_catalog
from trainer.checking.check import check_images
from trainer.checking.findings import CheckResult
from trainer.checking.items import items_of
from trainer.cleaning.check_cache import read_check, write_check
from trainer.cleaning.duplicates import exact_duplicates, found_by_check, found_reasons, near_duplicates
from trainer.progress import NoProgress


def row(path: str, label: str, *, split: str = "train", digest: str = "") -> Row:
    return Row(path=path, labels=frozenset({label}), split=split, sha256=digest or path)  # type: ignore[arg-type]


def test_exact_copies_are_grouped_and_the_urgent_ones_come_first() -> None:
    rows = (
        row("a/1", "ant", digest="same"),
        row("a/2", "ant", digest="same"),
        row("a/3", "ant"),
        row("b/1", "bee", digest="both"),
        row("b/2", "bee", digest="both", split="valid"),
        row("b/3", "bee", digest="both", split="test"),
        row("c/1", "cat", digest="labels"),
        row("d/1", "dog", digest="labels"),
        Row(path="e/1", labels=frozenset({"elk"}), split="train"),
        Row(path="e/2", labels=frozenset({"elk"}), split="train"),
    )
    groups = exact_duplicates(rows).groups
    assert [group.members for group in groups] == [(6, 7), (5, 4, 3), (0, 1)]  # a test image stays, or a valid one
    assert [group.reason for group in groups] == [
        "They have different labels: 'cat' and 'dog'.",
        "They are in several splits (test, valid, train), so results look too good.",
        "They teach nothing new: one of them is enough.",
    ]


def checked(folder: Path) -> tuple[CheckResult, tuple[Row, ...]]:
    catalog = read_catalog(folder)
    hashes = hash_files([catalog.file_of(each) for each in catalog.rows], threads=1)
    catalog = dataclasses.replace(catalog, drawn=None).with_hashes(hashes.digests)
    return check_images(items_of(catalog), threads=1, progress=NoProgress()), catalog.rows


def scene(number: int) -> Image.Image:
    """A picture with shapes, of which a smaller copy is nearly the same."""
    return draw("red", number, width=8, height=6).resize((320, 240), Image.Resampling.BICUBIC)


def test_near_duplicates_are_those_of_a_check_without_the_same_bytes(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=3)
    scene(1).save(photos / "red" / "large.png")
    scene(1).resize((240, 180)).save(photos / "red" / "small.jpg", quality=90)
    shutil.copy(photos / "red" / "large.png", photos / "red" / "copy.png")
    scene(1).save(photos / "blue" / "pixels.bmp")  # the same pixels, another label
    result, rows = checked(photos)
    found = [{rows[image].path for image in group.members} for group in near_duplicates(result, rows).groups]
    assert all(
        len({rows[image].sha256 for image in group.members}) > 1 for group in near_duplicates(result, rows).groups
    )
    assert any({"blue/pixels.bmp"} < group and "red/copy.png" not in group for group in found)
    assert any("red/small.jpg" in group for group in found)


def test_an_image_that_stands_out_is_listed_once_with_all_that_was_found(tmp_path: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=12)
    Image.new("RGB", (48, 40), (120, 120, 120)).save(photos / "red" / "flat.jpg")
    draw("blue", 90).save(photos / "blue" / "wrong.png", "JPEG")
    result, rows = checked(photos)
    queue = found_by_check(result, rows)
    assert [rows[image].path for image in queue.ids] == ["blue/wrong.png", "red/flat.jpg"]
    assert queue.entry(0).reason == "Wrong suffixes: is JPEG."
    assert (queue.entry(1).reason or "").startswith("One colour: range of the colours ")
    assert found_reasons(result)["blue/wrong.png"] == ["Wrong suffixes: is JPEG"]
    assert "red/000.jpg" not in found_reasons(result)


def test_a_check_is_read_back_for_the_same_images_only(tmp_path: Path) -> None:
    result, rows = checked(write_folder(tmp_path / "photos", each=3))
    cache = tmp_path / "check.json"
    assert read_check(cache, rows) is None
    write_check(cache, result, rows)
    assert read_check(cache, rows) == dataclasses.replace(result, seconds=round(result.seconds, 2))
    assert read_check(cache, rows[1:]) is None
    write_check(tmp_path / "nowhere" / "check.json", result, rows)  # it cannot be written: it is worked out again
