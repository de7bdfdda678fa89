from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.photos import write_grouped_csv
from tests.support.runs import tree
from tests.support.trainer import error_of, trainer

TINY = ("--backbone", "tiny")


def test_a_folder_and_a_csv_are_shown_and_not_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = write_grouped_csv(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path / "data")
    for data, name in ((tmp_path / "data" / "photos", "photos"), (table, "photos-2")):
        result = trainer("show", data, *TINY)
        assert result.exit_code == 0
        assert result.stdout.splitlines()[-1] == f"sheet: sheets/{name}.html"
        page = (tmp_path / "sheets" / f"{name}.html").read_text(encoding="utf-8")
        assert page.count('class="original"') == page.count("<figure>") == 12 + 7
        assert "36 images of 3 classes: 29 train, 7 validation drawn at random, 0 test" in page
        assert not {"http:", "https:", "<script", "@import"} & {*page.replace('="http://www.w3.org', "").split()}
    assert tree(tmp_path / "data") == before


def test_an_image_as_png_and_as_json(photos: Path, tmp_path: Path) -> None:
    image = photos / "red" / "003.jpg"
    result = trainer("show", photos, "--image", image, "--out", tmp_path / "new" / "one.png", "--json", *TINY)
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert shown["sheet"] == str(tmp_path / "new" / "one.png")
    assert [tile["title"] for tile in shown["augmented"]] == [f"Epoch {number}" for number in range(1, 10)]
    with Image.open(tmp_path / "new" / "one.png") as png:
        assert (png.format, png.width) == ("PNG", 1516)
    again = trainer("show", photos, "--image", "red/003.jpg", "--out", tmp_path / "again.png", *TINY)
    assert again.exit_code == 0
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "new" / "one.png").read_bytes()


def test_the_seed_and_the_class_choose_the_images(photos: Path, tmp_path: Path) -> None:
    def shown(name: str, *options: str) -> tuple[list[str], list[str]]:
        result = trainer("show", photos, "--out", tmp_path / name, "--count", "4", "--json", *TINY, *options)
        found = json.loads(result.stdout)
        return [tile["path"] for tile in found["training_images"]], [
            tile["title"] for tile in found["training_images"] + found["validation_images"]
        ]

    first, labels = shown("1.html")
    assert (first, labels) == shown("2.html")
    assert first != shown("3.html", "--seed", "1")[0]
    assert {*labels[:3]} == {"blue", "green", "red"}
    only, labels = shown("4.html", "--class", "green")
    assert len(only) == 4
    assert {*labels} == {"green"}


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (("--class", "redd"), "none of its 3 classes is called 'redd'; did you mean 'red'?", 1),
        (("--image", "red/999.jpg"), "is not one of the images of", 1),
        (("--image", "red/001.jpg", "--class", "red"), "a single image and a class are both given", 2),
        (("--out", "sheet.pdf"), "give --out the suffix .html or .png", 2),
        (("--out", "there.png"), "there.png exists already, and nothing is overwritten", 2),
        (("--out", "photos/sheet.png"), "among the images; give a file elsewhere for --out", 2),
        (("--count", "0"), "0 is not in the range 1<=x<=200", 2),
        (("--lr", "0.1"), "No such option '--lr'", 2),
        (("--bs", "8"), "Did you mean '--batch-size'?", 2),
    ],
)
def test_what_cannot_be_shown(
    photos: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str, code: int
) -> None:
    monkeypatch.chdir(photos.parent)
    Path("there.png").write_bytes(b"mine")
    before = tree(photos.parent)
    result = trainer("show", photos, *TINY, *options)
    assert message in error_of(result)
    assert result.exit_code == code
    assert tree(photos.parent) == before


def test_a_place_that_cannot_be_a_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = trainer("show", photos, "--out", tmp_path / "file" / "sheet.png", *TINY)
    assert "exists already" in error_of(result)
