from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.inputs import InputError, PathFinder
from tests.service.inputs.files import put


def finder(tmp_path: Path, **options: object) -> PathFinder:
    root = put(tmp_path / "photos", "cat/0.jpg", "cat/1.JPG", "dog/ü.png", "dog/1.v2.webp")
    return PathFinder(root=root.resolve(), **options)  # type: ignore[arg-type]


def find(paths: PathFinder, text: str) -> str:
    return paths.find(text, table=Path("x.csv"), number=2)


def test_paths_are_relative_to_the_root(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(tmp_path / "outside", "c.jpg")
    (tmp_path / "link").symlink_to(paths.root)
    for text, path in {
        "cat/0.jpg": "cat/0.jpg",
        "./x/../cat/0.jpg": "cat/0.jpg",
        "../outside/c.jpg": "../outside/c.jpg",
        f"{paths.root}/cat/0.jpg": "cat/0.jpg",
        f"{tmp_path}/link/cat/1.JPG": "cat/1.JPG",
        f"{tmp_path}/outside/c.jpg": "../outside/c.jpg",
    }.items():
        assert find(paths, text) == path
    assert (paths.missing, list(paths.remarks(Path("x.csv")))) == ({}, [])


@pytest.mark.parametrize(
    ("text", "path", "reported"),
    [
        (" cat/0.jpg\t", "cat/0.jpg", "have blanks around them"),
        ("\u00a0cat/0.jpg", "cat/0.jpg", "have blanks around them"),
        (r"cat\0.jpg", "cat/0.jpg", "are written with backslashes"),
        (r".\dog\..\cat\0.jpg", "cat/0.jpg", "are written with backslashes"),
        (r"C:\Users\me\photos\cat\0.jpg", "cat/0.jpg", "another computer: 'C:/Users/me/photos' was read as"),
        ("d:/cat/0.jpg", "cat/0.jpg", "another computer: 'd:/' was read as"),
        (r"\\nas\share\photos\cat\0.jpg", "cat/0.jpg", "another computer: '//nas/share/photos' was read as"),
        ("/home/somebody/else/cat/0.jpg", "cat/0.jpg", "another computer: '/home/somebody/else' was read as"),
        ("/cat/0.jpg", "cat/0.jpg", "another computer: '/' was read as"),
        ("file:///C:/my%20photos/dog/%C3%BC.png", "dog/ü.png", "another computer: 'C:/my photos' was read as"),
        ("file://nas/photos/cat/0.jpg", "cat/0.jpg", "are file:// addresses"),
        ("cat/0", "cat/0.jpg", "have no suffix, and the only image of this name was taken"),
        ("dog/1.v2", "dog/1.v2.webp", "have no suffix"),
        (r" cat\1 ", "cat/1.JPG", "have no suffix"),
        ("cat/1.jpg", "cat/1.JPG", "differ from the name of the file in upper and lower case"),
        ("dog/u\u0308.png", "dog/ü.png", "or in their Unicode form"),
    ],
)
def test_what_only_another_reading_finds_is_taken_and_reported(
    tmp_path: Path, text: str, path: str, reported: str
) -> None:
    paths = finder(tmp_path)
    assert find(paths, text) == path
    remarks = list(paths.remarks(Path("x.csv")))
    assert any(reported in remark and "x.csv: 1 paths " in remark and f"is {path})." in remark for remark in remarks)
    assert paths.missing == {}


def test_addresses_of_files_and_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / "photos", "a #1 b.jpg")
    for text, path in {
        "~/photos/cat/0.jpg": "cat/0.jpg",
        "~\\photos\\cat\\0.jpg": "cat/0.jpg",
        f"file://{tmp_path}/photos/cat/0.jpg": "cat/0.jpg",
        f"FILE://localhost{tmp_path}/photos/a%20%231%20b.jpg": "a #1 b.jpg",
        f"file:{tmp_path}/photos/cat/0.jpg": "cat/0.jpg",
    }.items():
        assert find(finder(tmp_path), text) == path


def test_a_file_of_exactly_this_name_comes_first(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(paths.root, " cat/0.jpg ", r"cat\0.jpg", "cat/0", "~/x.jpg")
    for text in (" cat/0.jpg ", r"cat\0.jpg", "cat/0", "~/x.jpg"):
        assert find(paths, text) == text
    assert list(paths.remarks(Path("x.csv"))) == []


def test_an_id_that_several_images_fit(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(paths.root, "cat/0.png", "cat/0.txt")
    with pytest.raises(InputError, match=r"x.csv, row 2: 'cat/0' has no suffix, and 0.jpg, 0.png fit.*`suffix`"):
        find(paths, "cat/0")
    assert find(finder(tmp_path, suffix=".png"), "cat/0") == "cat/0.png"


def test_a_suffix_is_added_unless_it_is_there(tmp_path: Path) -> None:
    paths = finder(tmp_path, suffix=".jpg")
    put(paths.root, "cat/0", "cat/0.jpg.jpg")
    assert [find(paths, text) for text in ("cat/0", "cat/0.jpg", r"cat\0")] == ["cat/0.jpg", "cat/0.jpg", "cat/0.jpg"]
    assert find(paths, "dog/ü.png") == "dog/ü.png"
    assert paths.missing == {}


def test_a_suffix_is_not_replaced(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(paths.root, "cat/0.jpg.png")
    assert find(paths, "cat/0.png") == "cat/0.png"
    assert find(paths, "dog/ü.jpg") == "dog/ü.jpg"
    assert len(paths.missing) == 1  # both in row 2


def test_another_computers_folder_is_the_same_in_every_row(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(paths.root, "7.jpg", "cat/7.jpg")
    assert paths.find(r"D:\set\cat\0.jpg", table=Path("x.csv"), number=2) == "cat/0.jpg"
    assert paths.find(r"D:\set\cow\7.jpg", table=Path("x.csv"), number=3).endswith("7.jpg")  # not the one at the top
    assert list(paths.missing) == [3]
    assert paths.find(r"D:\set\cat\7.jpg", table=Path("x.csv"), number=4) == "cat/7.jpg"


def test_a_path_of_this_computer_is_not_looked_for_elsewhere(tmp_path: Path) -> None:
    paths = finder(tmp_path)
    put(tmp_path / "other" / "cat", "1.jpg")
    assert find(paths, f"{tmp_path}/other/cat/0.jpg") == "../other/cat/0.jpg"
    assert paths.missing == {2: "../other/cat/0.jpg"}


@pytest.mark.parametrize(
    "text", ["dir.jpg", "x" * 300, "cat/0.jpg/under", "/no/../cat/0.jpg", "/x" * 100 + "/cat/0.jpg"]
)
def test_what_is_not_there_is_missing(tmp_path: Path, text: str) -> None:
    paths = finder(tmp_path)
    (paths.root / "dir.jpg").mkdir()
    find(paths, text)
    assert list(paths.missing) == [2]


def test_without_looking_paths_are_taken_as_they_are(tmp_path: Path) -> None:
    paths = finder(tmp_path, must_exist=False)
    assert [find(paths, text) for text in ("cat/9.jpg", r"cat\0.jpg", " a/./b")] == ["cat/9.jpg", r"cat\0.jpg", " a/b"]
    assert paths.missing == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (" ", "^x.csv, row 2: the path is empty"),
        ("b\x00.jpg", "^x.csv, row 2: the path .* control character"),
        ("caf\udce9.jpg", "^x.csv, row 2: the path .* save the table as UTF-8, or rename the image"),
        ("https://example.org/0.jpg", "^x.csv, row 2: 'https://example.org/0.jpg' is an address; download the images"),
        (" S3://bucket/0.jpg", "is an address; download the images"),
    ],
)
def test_a_cell_without_a_usable_path(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as info:
        find(finder(tmp_path), text)
    assert str(info.value).isprintable()


def test_if_all_images_are_missing_they_are_not_searched_for_in_every_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(os.path, "isfile", lambda path: bool(asked.append(path)))
    paths = finder(tmp_path)
    for number in range(3_000):
        paths.find(f"/nowhere/{'x/' * 9}{number}", table=Path("x.csv"), number=number)
    assert len(paths.missing) == 3_000
    assert 3_000 < len(asked) < 20_000
