from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.trainer.catalog.files import bears, put
from trainer.catalog.folder import read_folder
from trainer.errors import CatalogError


def labels(data: Path) -> dict[str, str]:
    return {row.path: "+".join(row.labels) for row in read_folder(data).rows}


def test_the_folder_that_holds_an_image_is_its_label(tmp_path: Path) -> None:
    put(tmp_path, "apple/1.jpg", "citrus/lemon/2.PNG", "citrus/lime/big ones/3.jpeg")
    assert labels(tmp_path) == {
        "apple/1.jpg": "apple",
        "citrus/lemon/2.PNG": "lemon",
        "citrus/lime/big ones/3.jpeg": "big ones",
    }
    source = read_folder(tmp_path)
    assert source.root == tmp_path.resolve()
    assert not source.has_splits
    assert source.remarks == ()


def test_other_files_are_counted_and_hidden_files_are_skipped(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/notes.txt", "b/2.tif", "b/3.tif", "LICENSE", "b/.DS_Store", ".git/x.jpg", "a/._1.jpg")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows] == ["a/1.jpg"]
    assert source.remarks == (
        f"{tmp_path}: files without the suffix of an image were ignored "
        "(4 other files, by suffix: '.tif' 2, '' 1, '.txt' 1).",
    )


@pytest.mark.parametrize(
    "names", [("train", "valid", "test"), ("Train", "VAL", "Test"), ("train", "validation", "test")]
)
def test_split_folders_are_splits_and_not_classes(tmp_path: Path, names: tuple[str, str, str]) -> None:
    put(tmp_path, *(f"{name}/{label}/1.jpg" for name in names for label in ("a", "x/b")))
    source = read_folder(tmp_path)
    assert source.has_splits
    assert {(row.path.split("/")[0], row.split) for row in source.rows} == set(
        zip(names, ("train", "valid", "test"), strict=True)
    )
    assert {label for row in source.rows for label in row.labels} == {"a", "b"}
    assert source.remarks == ()  # no remark on a class that is in train and in valid


def test_images_outside_of_the_splits_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.jpg", "valid/a/2.jpg", "extra/a/3.jpg", "logo.png")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows] == ["train/a/1.jpg", "valid/a/2.jpg"]
    assert "2 images outside of train, valid and test were left out: 'extra', 'logo.png'" in source.remarks[0]


def test_a_test_folder_next_to_classes(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "test/a/2.jpg")
    assert [(row.path, row.split) for row in read_folder(tmp_path).rows] == [
        ("a/1.jpg", "train"),
        ("test/a/2.jpg", "test"),
    ]


def test_names_of_splits_further_down_are_classes(tmp_path: Path) -> None:
    assert labels(put(tmp_path, "rail/train/1.jpg")) == {"rail/train/1.jpg": "train"}


@pytest.mark.parametrize("path", ["1.jpg", "train/1.jpg", "test/1.jpg"])
def test_images_outside_of_a_class_folder(tmp_path: Path, path: str) -> None:
    put(tmp_path, "train/a/0.jpg" if path.startswith("train") else "a/0.jpg", path)
    with pytest.raises(CatalogError, match=rf"1 images are not in a class folder \({path}\); put each into a folder"):
        read_folder(tmp_path)


def test_one_name_in_several_places_is_one_class(tmp_path: Path) -> None:
    put(tmp_path, "fruit/apple/1.jpg", "tree/apple/2.jpg", "tree/oak/3.jpg", "cafe\u0301/4.jpg", "caf\u00e9/5.jpg")
    assert set(labels(tmp_path).values()) == {"apple", "oak", "café"}
    (remark,) = read_folder(tmp_path).remarks
    assert "2 classes are merged from several folders with the same name: 'apple' (fruit/apple, tree/apple)" in remark


def test_remark_on_a_class_folder_inside_another(tmp_path: Path) -> None:
    put(tmp_path, "fruit/1.jpg", "fruit/new/apple/2.jpg")
    (remark,) = read_folder(tmp_path).remarks
    assert "1 class folders are inside of a folder that contains images itself" in remark
    assert "fruit/new/apple" in remark


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(
        CatalogError, match="there is no image here; give a folder that contains one folder of images for each"
    ):
        read_folder(tmp_path)
    put(tmp_path, "a/1.tif", "a/2.txt")
    with pytest.raises(CatalogError, match=r"no image here \(2 other files, by suffix: '.tif' 1, '.txt' 1\)"):
        read_folder(tmp_path)


def test_an_empty_label(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="folder 'a/ ': the label is empty"):
        read_folder(put(tmp_path, "a/ /1.jpg"))


def test_images_whose_name_no_table_can_hold_are_left_out_with_a_remark(tmp_path: Path) -> None:
    bears(tmp_path, each=1)
    put(tmp_path, "black/ü 熊 🐻,\"'.jpg", "black/line\nbreak.jpg")
    (tmp_path / os.fsdecode(b"black/caf\xe9.jpg")).write_bytes(b"")
    source = read_folder(tmp_path)
    assert [row.path for row in source.rows if row.path.startswith("black")] == [
        "black/00.jpg",
        "black/ü 熊 🐻,\"'.jpg",
    ]
    (remark,) = source.remarks
    assert "2 images were left out" in remark
    assert r"'black/caf\udce9.jpg', 'black/line\nbreak.jpg'" in remark
    assert remark.isprintable()


def test_links_are_followed_once(tmp_path: Path) -> None:
    data = put(tmp_path / "data", "a/1.jpg", "b/deep/2.jpg")
    put(tmp_path / "elsewhere", "c/3.jpg")
    (data / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (data / "a" / "4.jpg").symlink_to(tmp_path / "elsewhere" / "c" / "3.jpg")
    (data / "0").symlink_to(data / "b" / "deep")  # sorts before the folder itself, which still is found in its place
    (data / "b" / "self").symlink_to(data / "b")
    (data / "b" / "root").symlink_to(data)
    (data / "b" / "up").symlink_to(tmp_path)
    (data / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (data / "a" / "loop.jpg").symlink_to(data / "a" / "loop.jpg")
    (tmp_path / "elsewhere" / "c" / "back").symlink_to(data)
    source = read_folder(data)
    assert [row.path for row in source.rows] == ["a/1.jpg", "a/4.jpg", "b/deep/2.jpg", "c/3.jpg"]
    broken, repeated = source.remarks
    assert "2 links are broken: 'a/gone.jpg', 'a/loop.jpg'" in broken
    assert "5 links were not followed, because the folder is read under another path" in repeated
    for link in ("0", "b/root", "b/self", "b/up", "c/back"):
        assert repr(link) in repeated


def test_data_may_be_a_link(tmp_path: Path) -> None:
    bears(tmp_path / "real", each=1)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_folder(tmp_path / "link").root == (tmp_path / "real").resolve()


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    bears(tmp_path, each=1)
    os.mkfifo(tmp_path / "black" / "pipe.jpg")
    source = read_folder(tmp_path)
    assert len(source.rows) == 3
    assert "1 other files, by suffix: '.jpg' 1" in source.remarks[0]
