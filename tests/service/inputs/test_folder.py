from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

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
    assert walk(tmp_path) == Found(folders=[PurePosixPath()])


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


@pytest.mark.parametrize(
    "name",
    [
        *("@eaDir", "@tmp", "#recycle", "#snapshot", "@Recycle", "@__thumb", "$RECYCLE.BIN", "$Recycle.Bin"),
        *("System Volume Information", "lost+found", "LOST+FOUND", "__MACOSX", "found.000"),
    ],
)
def test_folders_that_systems_leave_are_skipped_and_counted(tmp_path: Path, name: str) -> None:
    put(tmp_path, "cat/1.jpg", f"cat/{name}/1.jpg/thumb.jpg", f"{name}/old/2.jpg")
    found = walk(tmp_path)
    assert images(found) == ["cat/1.jpg"]
    assert found.system_folders == {name: 2}


def test_a_folder_that_a_system_keeps_closed_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "cat/1.jpg", "lost+found/2.jpg")
    scandir = os.scandir

    def locked(path: Path) -> object:
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert images(walk(tmp_path)) == ["cat/1.jpg"]


@pytest.mark.parametrize(
    "names", [("1.jpg", "2.jpg"), ("thumb_1.jpg", "tn-2.png"), ("1_thumb.webp", "2.jpg", "gone.jpg")]
)
@pytest.mark.parametrize("folder", ["thumbnails", "Thumbs"])
def test_small_copies_of_the_images_beside_them_are_skipped(
    tmp_path: Path, folder: str, names: tuple[str, ...]
) -> None:
    put(tmp_path, "cat/1.jpg", "cat/2.jpg", *(f"cat/{folder}/{name}" for name in names))
    found = walk(tmp_path)
    assert images(found) == ["cat/1.jpg", "cat/2.jpg"]
    assert found.system_folders == {folder: 1}


def test_a_class_may_be_called_thumbnails(tmp_path: Path) -> None:
    put(tmp_path, "thumbnails/1.jpg", "posters/1.jpg", "cat/1.jpg", "cat/thumbnails/7.jpg")
    assert len(walk(tmp_path).images) == 4


def test_files_without_a_suffix_are_images_only_if_asked_and_by_content(tmp_path: Path) -> None:
    put(tmp_path, "a/LICENSE", "a/notes.txt", "a/0.jpg")
    for name in ("1", "2.jpg_large", "3.jpg?w=300", "4.JPG~"):
        (tmp_path / "a" / name).write_bytes(b"\xff\xd8\xff\xe0 photo")
    assert images(walk(tmp_path)) == ["a/0.jpg"]
    found = walk(tmp_path, any_suffix=True)
    assert images(found) == ["a/0.jpg", "a/1", "a/2.jpg_large", "a/3.jpg?w=300", "a/4.JPG~"]
    assert found.others == {"": 1, ".txt": 1}
