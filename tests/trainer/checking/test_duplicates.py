"""Duplicates of every kind among pictures that are all different otherwise."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tests.support.images import ORIENTATION, STORED_AS, encode
from tests.trainer.checking.pictures import check_folder, found, picture, write_pictures
from trainer.checking.findings import CheckResult


def groups(result: CheckResult, kind: str) -> list[list[str]]:
    """The paths of each group, the one to keep marked with a star."""
    listed: dict[int | None, list[str]] = {}
    for image in result.of(kind):
        listed.setdefault(image.group, []).append(image.path + "*" * image.keep)
    return [sorted(paths) for paths in listed.values()]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


def test_different_pictures_are_no_duplicates(photos: Path) -> None:
    assert found(check_folder(photos)) == {}


def test_the_same_bytes(photos: Path) -> None:
    shutil.copy(photos / "a/000.jpg", photos / "a/copy.jpg")
    shutil.copy(photos / "a/000.jpg", photos / "a/copy 2.jpg")
    assert groups(check_folder(photos), "exact-duplicates") == [["a/000.jpg*", "a/copy 2.jpg", "a/copy.jpg"]]


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_the_same_upright_pixels(photos: Path, orientation: int) -> None:
    """The same photo as a PNG, and as one that is stored rotated."""
    with Image.open(photos / "a/000.jpg") as image:
        stored, transposition = image.convert("RGB"), STORED_AS[orientation]
    rotated = stored if transposition is None else stored.transpose(transposition)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    (photos / "a/other.png").write_bytes(encode(rotated, "PNG", exif=exif))
    result = check_folder(photos)
    assert groups(result, "exact-duplicates") == [["a/000.jpg", "a/other.png*"]]
    assert "near-duplicates" not in found(result)


def test_one_changed_pixel_is_not_the_same(photos: Path) -> None:
    image = picture(5000)
    (photos / "a/one.png").write_bytes(encode(image))
    image.putpixel((17, 11), (1, 2, 3))
    (photos / "a/two.png").write_bytes(encode(image))
    result = check_folder(photos)
    assert "exact-duplicates" not in found(result)
    assert found(result)["near-duplicates"] == ["a/one.png", "a/two.png"]


def test_nearly_the_same_picture(photos: Path) -> None:
    with Image.open(photos / "a/003.jpg") as image:
        image.save(photos / "a/again.jpg", quality=40)
        image.resize((120, 90)).save(photos / "a/small.png")
        image.point([min(255, value * 6 // 5) for value in range(256)] * 3).save(photos / "a/lighter.webp", quality=80)
    assert groups(check_folder(photos), "near-duplicates") == [
        ["a/003.jpg*", "a/again.jpg", "a/lighter.webp", "a/small.png"]
    ]


def test_an_exact_copy_of_a_near_duplicate_is_listed_once(photos: Path) -> None:
    with Image.open(photos / "a/003.jpg") as image:
        image.save(photos / "a/again.jpg", quality=40)
    shutil.copy(photos / "a/again.jpg", photos / "a/copy.jpg")
    result = check_folder(photos)
    assert groups(result, "exact-duplicates") == [["a/again.jpg*", "a/copy.jpg"]]
    assert groups(result, "near-duplicates") == [["a/003.jpg*", "a/again.jpg"]]


def test_one_content_under_two_labels(photos: Path) -> None:
    shutil.copy(photos / "a/000.jpg", photos / "b/other.jpg")
    with Image.open(photos / "b/007.jpg") as image:
        image.save(photos / "a/other.png")
    result = check_folder(photos)
    assert groups(result, "conflicting-labels") == [["a/000.jpg", "b/other.jpg"], ["a/other.png", "b/007.jpg"]]
    assert "'a' and 'b'" in result.findings[0].summary
    assert "exact-duplicates" not in found(result)


def test_near_duplicates_with_other_labels_are_all_kept(photos: Path) -> None:
    with Image.open(photos / "a/003.jpg") as image:
        image.save(photos / "b/again.jpg", quality=40)
    result = check_folder(photos)
    assert groups(result, "near-duplicates") == [["a/003.jpg*", "b/again.jpg*"]]
    assert "different labels" in result.findings[0].summary


def test_duplicates_across_splits(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", each=10)
    for split in ("valid", "test"):
        (tmp_path / split / "a").mkdir(parents=True)
    shutil.copy(tmp_path / "train/a/001.jpg", tmp_path / "valid/a/x.jpg")
    with Image.open(tmp_path / "train/a/002.jpg") as image:
        image.save(tmp_path / "test/a/y.jpg", quality=40)
    result = check_folder(tmp_path, splits=True)
    assert groups(result, "across-splits") == [
        ["test/a/y.jpg*", "train/a/002.jpg"],
        ["train/a/001.jpg", "valid/a/x.jpg*"],
    ]
    assert "test and train, train and valid" in result.findings[0].summary


def test_a_split_that_was_drawn_divides_nothing(photos: Path) -> None:
    shutil.copy(photos / "a/000.jpg", photos / "a/copy.jpg")
    assert "across-splits" not in found(check_folder(photos))


def test_a_class_of_one_image(photos: Path) -> None:
    (photos / "c").mkdir()
    for number in range(4):
        shutil.copy(photos / "a/000.jpg", photos / f"c/{number}.jpg")
    finding = next(finding for finding in check_folder(photos).findings if finding.kind == "one-image-class")
    assert finding.details == ("The 4 images of 'c' are all the same.",)


def test_undecodable_copies_are_the_same_bytes(photos: Path) -> None:
    for name in ("x", "y"):
        (photos / f"a/{name}.jpg").write_bytes(b"no image")
    result = check_folder(photos)
    assert groups(result, "exact-duplicates") == [["a/x.jpg*", "a/y.jpg"]]
    assert "near-duplicates" not in found(result)


def test_images_of_one_colour_are_no_near_duplicates(photos: Path) -> None:
    for grey in (100, 103):
        Image.new("RGB", (200, 200), (grey, grey, grey)).save(photos / f"a/{grey}.png")
    assert sorted(found(check_folder(photos))) == ["one-colour"]
