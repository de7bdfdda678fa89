from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.service.inputs.archive.making import make_tar, make_zip, pack, special
from tests.trainer.catalog.files import bears, put
from trainer.catalog import ReadOptions, hash_files, read_catalog, read_test
from trainer.catalog.archives import archive_root
from trainer.errors import CatalogError


@pytest.mark.parametrize(("kind", "name"), [("zip", "x.zip"), ("tar", "x.tar"), ("gztar", "x.tar.gz")])
@pytest.mark.parametrize("top", [".", "bears"])
def test_the_same_catalog_and_hashes_as_of_the_folder(tmp_path: Path, kind: str, name: str, top: str) -> None:
    folder = bears(tmp_path / "bears", each=5)
    put(folder, ".hidden/1.jpg", "black/notes.txt")
    archive = tmp_path / name
    shutil.make_archive(str(tmp_path / "x"), kind, folder if top == "." else tmp_path, top)
    of_folder, of_archive = read_catalog(folder), read_catalog(archive)
    assert of_archive.rows == of_folder.rows
    assert of_archive.folder is None
    assert len(of_archive.warnings) == len(of_folder.warnings) == 1  # the notes
    files = [[catalog.file_of(row) for row in catalog.rows] for catalog in (of_folder, of_archive)]
    assert hash_files(files[0], threads=2) == hash_files(files[1], threads=2)


def test_the_only_folder_may_be_a_split(tmp_path: Path) -> None:
    bears(tmp_path / "set" / "train", each=4)
    archive = Path(shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "set"))
    assert archive_root(archive) == archive
    assert read_catalog(archive).rows == read_catalog(tmp_path / "set").rows


def test_an_archive_and_a_folder_together(tmp_path: Path) -> None:
    bears(tmp_path / "train", each=4)
    bears(tmp_path / "valid", each=2)
    for name in ("train", "valid"):
        shutil.make_archive(str(tmp_path / name), "zip", tmp_path / name)
    expected = {
        row.path.removeprefix("../valid/"): row.split
        for row in read_catalog(tmp_path / "train", valid=tmp_path / "valid").rows
    }
    for data, valid in (("train.zip", "valid.zip"), ("train.zip", "valid"), ("train", "valid.zip")):
        catalog = read_catalog(tmp_path / data, valid=tmp_path / valid)
        assert {row.path.removeprefix(f"../{valid}/"): row.split for row in catalog.rows} == expected
        hash_files([catalog.file_of(row) for row in catalog.rows], threads=2)


def test_the_images_of_an_archive_that_were_trained_on_are_no_test(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", {f"{label}/{number}.jpg": b"" for label in "ab" for number in range(4)})
    with pytest.raises(CatalogError, match="8 of its 8 images were used in training"):
        read_test(read_catalog(archive), archive)


def test_what_is_left_out_is_reported(tmp_path: Path) -> None:
    files = {f"{label}/{number}.jpg": b"" for label in "ab" for number in range(4)}
    archive = make_tar(
        tmp_path / "x.tgz", {**files, "../evil.jpg": b""}, mode="w:gz", more=(special("a/link.jpg", b"2", "1.jpg"),)
    )
    catalog = read_catalog(archive)
    assert len(catalog.rows) == 8
    assert [warning.partition(": ")[2][:60] for warning in catalog.warnings] == [
        "1 entries were left out, because they lead out of it: '../ev",
        "1 entries were left out, because they are links or devices: ",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04", "x.zip: this zip is cut off"),
        (b"", "x.zip: this is no tar, or a damaged one"),
        (b"\x1f\x8b", "x.zip: the archive is damaged"),
    ],
)
def test_an_archive_that_cannot_be_used(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(CatalogError, match=said):
        read_catalog(tmp_path / "x.zip")
    (tmp_path / "x.csv").write_text("path,label\n1.jpg,a\n")
    with pytest.raises(CatalogError, match=said):
        read_catalog(tmp_path / "x.csv", ReadOptions(root=tmp_path / "x.zip"))


def test_an_archive_without_images(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"x.zip.*: there is no image here \(1 other files, by suffix: '.csv' 1\)"):
        read_catalog(make_zip(tmp_path / "x.zip", {"a.csv": b""}))


@pytest.mark.parametrize("prefix", ["", "bears/"])
def test_the_paths_of_a_table_start_from_the_archive_or_the_folder_that_was_packed(tmp_path: Path, prefix: str) -> None:
    bears(tmp_path / "bears", each=5)
    archive = Path(shutil.make_archive(str(tmp_path / "x"), "gztar", tmp_path, "bears"))
    names = [path.relative_to(tmp_path / "bears") for path in sorted(tmp_path.glob("bears/*/*.jpg"))]
    table = tmp_path / "tables" / "x.csv"
    table.parent.mkdir()
    table.write_text("path,label\n" + "".join(f"{prefix}{name},{name.parent}\n" for name in names))
    catalog = read_catalog(table, ReadOptions(root=archive))
    assert len(catalog.rows) == 15
    assert catalog.root == (archive / "bears" if not prefix else archive)
    assert catalog.warnings == ()


def test_ids_are_found_in_an_archive(tmp_path: Path) -> None:
    archive = pack(tmp_path / "x.zip", {f"img/{number}.JPG": b"" for number in range(6)})
    (tmp_path / "x.csv").write_text("id,class\n" + "".join(f"img\\{n},{'ab'[n % 2]}\n" for n in range(6)))
    catalog = read_catalog(tmp_path / "x.csv", ReadOptions(root=archive))
    assert [row.path for row in catalog.rows] == [f"img/{number}.JPG" for number in range(6)]
