from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.inputs import IMAGE_SUFFIXES, Found, InputError, walk
from tests.service.inputs.files import put


def images(found: Found) -> list[str]:
    return sorted(path.as_posix() for path in found.images)


@pytest.mark.parametrize("suffix", [*(suffix[1:] for suffix in sorted(IMAGE_SUFFIXES)), "JPG", "Png"])
def test_suffixes(tmp_path: Path, suffix: str) -> None:
    assert images(walk(put(tmp_path, f"a/1.{suffix}"))) == [f"a/1.{suffix}"]


def test_images_of_every_level_are_found_and_other_files_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "0.jpg", "a/1.jpg", "a/b/c/2.png", "a/notes.txt", "b/2.tif", "b/3.tif", "LICENSE", "b/.DS_Store")
    put(tmp_path, ".git/x.jpg", "a/._1.jpg")
    found = walk(tmp_path)
    assert images(found) == ["0.jpg", "a/1.jpg", "a/b/c/2.png"]
    assert found.others == {".tif": 2, ".txt": 1, "": 1}
    assert (found.unwritable, found.broken_links, found.repeated_links) == ([], [], [])


def test_an_empty_folder(tmp_path: Path) -> None:
    assert walk(tmp_path) == Found()


def test_images_whose_name_no_table_can_hold_are_listed(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg", "a/line\nbreak.jpg", "a/line\nbreak.txt")
    (tmp_path / os.fsdecode(b"a/caf\xe9.jpg")).touch()
    found = walk(tmp_path)
    assert images(found) == ["a/1.jpg"]
    assert [str(path) for path in found.unwritable] == ["a/caf\udce9.jpg", "a/line\nbreak.jpg"]
    assert found.others == {".txt": 1}


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb"])
def test_a_folder_of_images_whose_name_no_table_can_hold_is_refused(tmp_path: Path, name: bytes) -> None:
    put(tmp_path, "black/00.jpg")
    folder = tmp_path / os.fsdecode(name)
    folder.mkdir()
    (folder / "notes.txt").touch()
    assert images(walk(tmp_path)) == ["black/00.jpg"]  # accepted without an image in it
    (folder / "1.jpg").touch()
    with pytest.raises(
        InputError, match="contains images, but its name has a control character or bytes that are not UTF-8"
    ):
        walk(tmp_path)


def test_links_are_followed_once(tmp_path: Path) -> None:
    data = put(tmp_path / "data", "a/1.jpg", "b/deep/2.jpg")
    put(tmp_path / "elsewhere", "c/3.jpg")
    (data / "c").symlink_to(tmp_path / "elsewhere" / "c")
    (data / "0").symlink_to(data / "b" / "deep")  # sorts before the folder itself, which keeps its own path
    (data / "b" / "root").symlink_to(data)
    (data / "b" / "up").symlink_to(tmp_path)
    (data / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (data / "a" / "loop.jpg").symlink_to(data / "a" / "loop.jpg")
    (tmp_path / "elsewhere" / "c" / "back").symlink_to(data)
    found = walk(data.resolve())
    assert images(found) == ["a/1.jpg", "b/deep/2.jpg", "c/3.jpg"]
    assert sorted(map(str, found.broken_links)) == ["a/gone.jpg", "a/loop.jpg"]
    assert sorted(map(str, found.repeated_links)) == ["0", "b/root", "b/up", "c/back"]


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    put(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    found = walk(tmp_path)
    assert images(found) == ["a/1.jpg"]
    assert found.others == {".jpg": 1}


def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "black/00.jpg", "grizzly/00.jpg")
    scandir = os.scandir

    def locked(path: Path) -> object:
        if Path(path).name == "grizzly":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)  # chmod does not stop root, and containers run tests as root
    with pytest.raises(InputError, match=r"grizzly: the folder cannot be read \(Permission denied\)"):
        walk(tmp_path)
