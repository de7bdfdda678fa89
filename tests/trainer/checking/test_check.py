"""Single images that stand out, and what is common to all of a set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.support.images import SEEDS, encode
from tests.trainer.checking.pictures import (
    blurred,
    check_folder,
    content_of,
    dark,
    found,
    light,
    picture,
    write_pictures,
)
from trainer.catalog import read_catalog
from trainer.checking.items import items_of, read_items
from trainer.errors import CatalogError


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos")


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "too-dark": dark,
    "too-light": light,
    "blurred": blurred,
    "too-small": lambda image: image.resize((32, 24)),
    "too-large": lambda image: image.resize((4000, 3000)),
    "odd-aspect": lambda image: image.resize((600, 100)),
    "one-colour": lambda image: Image.new("RGB", image.size, (90, 120, 60)),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_three_images_stand_out(photos: Path, kind: str) -> None:
    changed = [f"a/{kind}-{number}.jpg" for number in range(3)]
    for number, path in enumerate(changed):
        image = CHANGES[kind](picture(100 + number))
        if kind == "one-colour":
            image.paste(picture(number).resize((9, 6)), (2, 2))
        image.save(photos / path, quality=92)
    before = content_of(photos)
    assert found(check_folder(photos)) == {kind: changed}
    assert content_of(photos) == before


@pytest.mark.parametrize("kind", [kind for kind in CHANGES if kind != "one-colour"])
def test_what_is_common_to_all_images_is_not_found(tmp_path: Path, kind: str) -> None:
    each = 4 if kind == "too-large" else 15
    photos = write_pictures(tmp_path / "photos", each=each, change=lambda _, image: CHANGES[kind](image))
    assert kind not in found(check_folder(photos))


@pytest.mark.parametrize("kind", ["too-dark", "blurred"])
def test_what_half_of_a_class_has_is_a_remark(tmp_path: Path, kind: str) -> None:
    photos = write_pictures(tmp_path / "photos")
    for number in range(15):
        CHANGES[kind](picture(500 + number)).save(photos / f"a/other-{number}.jpg", quality=92)
    result = check_folder(photos)
    assert kind not in found(result)
    (remark,) = result.remarks
    assert remark.startswith(f"{kind}: 15 of 75 images would be.")


def test_images_that_cannot_be_decoded(photos: Path) -> None:
    (photos / "a/text.jpg").write_text("no image")
    (photos / "a/empty.png").touch()
    (photos / "b/cut.jpg").write_bytes((photos / "b/001.jpg").read_bytes()[:3000])
    result = check_folder(photos)
    reasons = {image.path: image.detail for image in result.of("undecodable")}
    assert set(found(result)) == {"undecodable"}
    assert "not an image in an accepted format" in reasons["a/text.jpg"]
    assert "not an image in an accepted format" in reasons["a/empty.png"]
    assert "damaged" in reasons["b/cut.jpg"]
    assert result.findings[0].summary.startswith("3 of 63 images cannot be decoded: ")


def test_a_file_that_cannot_be_read_or_is_gone(photos: Path) -> None:
    images = items_of(read_catalog(photos))
    (photos / "a/005.jpg").unlink()
    from trainer.checking.check import check_images
    from trainer.progress import NoProgress

    (image,) = check_images(images, threads=2, progress=NoProgress()).of("undecodable")
    assert (image.path, image.detail) == ("a/005.jpg", "The file cannot be read (No such file or directory).")


def test_a_file_that_is_too_large_is_not_read(photos: Path) -> None:
    with open(photos / "a/large.jpg", "wb") as file:
        file.truncate(5 << 40)
    (image,) = check_folder(photos).of("undecodable")
    assert image.detail == "The file has 5,497,558,138,880 bytes, more than 1,073,741,824."


def test_wrong_suffixes(photos: Path) -> None:
    (photos / "a/x.png").write_bytes(encode(picture(70), "JPEG", quality=92))
    (photos / "a/y.jpg").write_bytes(encode(picture(71), "WEBP", quality=92))
    (photos / "a/z.jpeg").write_bytes(encode(picture(72), "JPEG", quality=92))
    (photos / "a/w.JPE").write_bytes(encode(picture(73), "MPO", quality=92))
    assert found(check_folder(photos)) == {"wrong-suffix": ["a/x.png", "a/y.jpg"]}


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations(photos: Path, kind: str) -> None:
    suffix = kind.lower()
    frames = {"save_all": True, "append_images": [picture(81), picture(82)], "duration": 100}
    (photos / f"a/moving.{suffix}").write_bytes(encode(picture(80), kind, **frames))
    (photos / f"a/still.{suffix}").write_bytes(encode(picture(90), kind))
    assert found(check_folder(photos))["animated"] == [f"a/moving.{suffix}"]


def test_a_photo_with_more_pictures_is_no_animation(photos: Path) -> None:
    frames = {"save_all": True, "append_images": [picture(81)]}
    (photos / "a/several.jpg").write_bytes(encode(picture(80), "MPO", **frames))
    assert found(check_folder(photos)) == {}


@pytest.mark.parametrize("name", SEEDS)
def test_every_kind_of_file_is_read(photos: Path, name: str) -> None:
    (photos / "a/file.jpg").write_bytes(SEEDS[name])
    assert "undecodable" not in found(check_folder(photos))


def test_what_may_mislead_a_network(tmp_path: Path) -> None:
    photos = write_pictures(
        tmp_path / "photos",
        classes="abc",
        change=lambda label, image: image.resize((200, 150)) if label == "b" else image,
    )
    (finding,) = check_folder(photos).findings
    assert finding.kind == "shortcuts"
    assert finding.details[0].startswith(
        "'b': all 30 images of it have the size 200 x 150, and none of the 60 others (area 1.00, interval 0."
    )
    assert {image.labels for image in finding.images} == {("b",)}


def test_a_camera_that_only_one_class_has(photos: Path) -> None:
    for number, path in enumerate(sorted(photos.glob("*/*.jpg"))):
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = ("Canon", "Canon EOS 5D") if path.parent.name == "a" else ("Nikon", f"D{number}")
        with Image.open(path) as image:
            image.save(path, quality=92, exif=exif)
    (finding,) = check_folder(photos).findings
    assert "'a': all 30 images of it have the camera Canon EOS 5D, and none of the 30 others" in finding.details[0]


def test_the_fields_of_a_finding(photos: Path) -> None:
    (photos / "a/text.jpg").write_text("no image")
    result = check_folder(photos)
    value = result.to_dict()
    assert value["images"] == 61
    assert value["classes"] == 2
    (finding,) = value["findings"]
    assert set(finding) == {"kind", "summary", "advice", "details", "images"}
    assert finding["images"][0]["path"] == "a/text.jpg"
    assert finding["images"][0]["labels"] == ["a"]
    assert result.only(["blurred"]).findings == ()


def test_a_folder_without_classes_is_checked_without_labels(tmp_path: Path) -> None:
    photos = write_pictures(tmp_path / "photos", classes="a")
    images = read_items(photos, lambda: read_catalog(photos))
    assert len(images.items) == 30
    assert all(not item.labels and not item.split for item in images.items)
    assert "checked without labels" in images.remarks[0]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no image here"):
        read_items(tmp_path, lambda: read_catalog(tmp_path))


def test_the_splits_of_the_data_and_no_others(photos: Path, tmp_path: Path) -> None:
    assert {item.split for item in items_of(read_catalog(photos)).items} == {""}
    write_pictures(tmp_path / "divided/train", each=3)
    write_pictures(tmp_path / "divided/valid", each=3)
    assert {item.split for item in items_of(read_catalog(tmp_path / "divided")).items} == {"train", "valid"}
