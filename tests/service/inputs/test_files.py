from __future__ import annotations

import errno
from pathlib import Path

import pytest

from service.inputs import InputError, is_file, list_folder, open_file, read_bytes, top_folder, walk
from tests.service.inputs.archive.making import pack
from tests.service.inputs.files import put

FILES = {"photos/cat/1.jpg": b"one", "photos/dog/2.jpg": b"two", "photos/.hidden/3.jpg": b"", "photos/notes.txt": b""}


@pytest.fixture(params=["x.zip", "x.tar", "x.tar.gz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return pack(tmp_path.resolve() / request.param, FILES)


def test_a_path_into_an_archive_is_read_as_one_on_the_disk(archive: Path) -> None:
    assert read_bytes(archive / "photos" / "cat" / "1.jpg") == b"one"
    assert read_bytes(archive / "photos" / "cat" / ".." / "dog" / "2.jpg") == b"two"
    with open_file(archive / "photos/dog/2.jpg") as file:
        assert (file.read(1), file.read()) == (b"t", b"wo")
    assert is_file(archive / "photos/cat/1.jpg")
    assert is_file(archive)
    assert not is_file(archive / "photos/cat")
    assert not is_file(archive / "photos/cat/1.jpg/more")
    assert [entry.name for entry in list_folder(archive / "photos")] == [".hidden", "cat", "dog", "notes.txt"]


def test_a_path_out_of_an_archive_leads_to_the_disk(archive: Path) -> None:
    put(archive.parent, "beside/1.jpg")
    assert read_bytes(archive / ".." / "beside" / "1.jpg") == b"beside/1.jpg"
    assert read_bytes(archive / "photos" / ".." / ".." / "beside" / "1.jpg") == b"beside/1.jpg"
    assert read_bytes(archive.parent / "beside" / ".." / archive.name / "photos/cat/1.jpg") == b"one"
    assert is_file(archive / "../beside/1.jpg")
    assert not is_file(archive / "../beside/2.jpg")


def test_what_is_not_there(archive: Path) -> None:
    for path in (archive / "photos/cat/9.jpg", archive / "nowhere", archive / "../nowhere.jpg"):
        with pytest.raises(OSError, match=r"[nN]o such file"):
            read_bytes(path)
    with pytest.raises(FileNotFoundError):
        list_folder(archive / "nowhere")
    put(archive.parent, "plain.jpg")
    for path in (archive.parent / "plain.jpg" / "x", archive.parent / "plain.jpg" / ".." / "plain.jpg"):
        assert not is_file(path)
        with pytest.raises(NotADirectoryError):
            read_bytes(path)


def test_an_archive_that_cannot_be_used_is_an_error_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(OSError, match=r"x.zip: this zip is cut off") as info:
        read_bytes(tmp_path / "x.zip" / "1.jpg")
    assert info.value.errno == errno.EIO
    assert not is_file(tmp_path / "x.zip" / "1.jpg")


def test_the_images_of_an_archive_are_found_as_those_of_a_folder(archive: Path) -> None:
    found = walk(archive / "photos")
    assert [str(path) for path in found.images] == ["cat/1.jpg", "dog/2.jpg"]
    assert found.others == {".txt": 1}
    assert [str(path) for path in walk(archive).images] == ["photos/cat/1.jpg", "photos/dog/2.jpg"]


@pytest.mark.parametrize(
    ("names", "top"),
    [
        (["photos/cat/1.jpg", "photos/dog/1.jpg", "__MACOSX/photos/._1.jpg", ".DS_Store"], "photos"),
        (["./photos/cat/1.jpg"], "photos"),
        (["cat/1.jpg", "dog/1.jpg"], ""),
        (["photos/cat/1.jpg", "readme.txt"], ""),
        (["1.jpg"], ""),
        ([], ""),
    ],
)
def test_the_folder_that_was_packed(tmp_path: Path, names: list[str], top: str) -> None:
    path = pack(tmp_path / "x.zip", dict.fromkeys(names, b""))
    assert top_folder(path) == path / top


def test_a_folder_in_an_archive_with_a_name_that_no_table_can_hold(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.zip", {"c\x07at/1.jpg": b"", "dog/\x07.jpg": b""})
    with pytest.raises(InputError, match="control character"):
        walk(path)
