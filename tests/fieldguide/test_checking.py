"""`fieldguide.check`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import fieldguide
from tests.trainer.checking.pictures import content_of, write_pictures


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_pictures(tmp_path_factory.mktemp("check") / "photos", each=20)
    shutil.copy(root / "a/000.jpg", root / "a/copy.jpg")
    return root


def test_a_folder(photos: Path) -> None:
    before = content_of(photos)
    check = fieldguide.check(photos, progress=False)
    assert check.images == 41
    assert [finding.kind for finding in check.findings] == ["exact-duplicates"]
    kept = {image.path: image.keep for image in check["exact-duplicates"]}
    assert kept == {"a/000.jpg": True, "a/copy.jpg": False}
    assert check["blurred"] == ()
    assert repr(check) == "Check(41 images: exact-duplicates 2)"
    assert "Exact duplicates" in check._repr_html_()
    assert check.to_dict()["findings"][0]["kind"] == "exact-duplicates"
    assert content_of(photos) == before


def test_a_catalog(photos: Path) -> None:
    paths = sorted(photos.glob("*/*.jpg"))
    catalog = fieldguide.read_catalog(paths=paths, labels=[path.parent.name for path in paths])
    assert repr(fieldguide.check(catalog, progress=False)) == "Check(41 images: exact-duplicates 2)"


def test_only_some_kinds(photos: Path) -> None:
    assert fieldguide.check(photos, kinds=["blurred"], progress=False).findings == ()


def test_thorough_finds_the_same_things_photographed_again(tmp_path: Path) -> None:
    from tests.trainer.checking.pictures import picture

    photos = write_pictures(tmp_path / "photos", each=12)
    picture(3).crop((20, 15, 240, 180)).save(photos / "a/crop.jpg", quality=92)
    assert fieldguide.check(photos, progress=False).findings == ()
    found = fieldguide.check(photos, thorough=True, device="cpu", progress=False)["similar-images"]
    assert {"a/003.jpg", "a/crop.jpg"} <= {image.path for image in found}
    assert all(image.keep for image in found)


def test_wrong_arguments(photos: Path) -> None:
    with pytest.raises(ValueError, match="`kinds` has 'dark', which is none of undecodable"):
        fieldguide.check(photos, kinds=["dark"])
    with pytest.raises(KeyError, match="'dark' is none of"):
        fieldguide.check(photos, kinds=[], progress=False)["dark"]
    with pytest.raises(TypeError, match="`epochs` does not say how images are read"):
        fieldguide.check(photos, epochs=3)
    with pytest.raises(fieldguide.TrainerError, match="`threads` is 0"):
        fieldguide.check(photos, threads=0, progress=False)
