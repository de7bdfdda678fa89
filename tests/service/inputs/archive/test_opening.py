from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from service.inputs import InputError, archive_stem, is_archive, open_archive
from service.inputs.archive import ArchiveLimits
from tests.service.inputs.archive.making import pack

FILES = {"photos/cat/1.jpg": b"one", "photos/cat/2.jpg": b"two" * 1000, "photos/ü/熊.jpg": b"", "photos/x.txt": b"x"}
KINDS = ("x.zip", "x.tar", "x.tgz", "x.tar.gz")


@pytest.mark.parametrize("name", KINDS)
def test_the_files_of_an_archive(tmp_path: Path, name: str) -> None:
    archive = open_archive(pack(tmp_path / name, FILES))
    assert {path: archive.read(path) for path in FILES} == FILES
    assert [(entry.name, entry.is_dir()) for entry in archive.entries("")] == [("photos", True)]
    assert {(entry.name, entry.is_file()) for entry in archive.entries("photos")} == {
        ("cat", False),
        ("ü", False),
        ("x.txt", True),
    }
    assert archive.remarks == ()
    assert archive.is_file("photos/x.txt")
    assert not archive.is_file("photos/cat")
    assert not archive.is_file("photos/cat/3.jpg")
    with pytest.raises(FileNotFoundError, match=r"x\..*/photos/dog"):
        archive.entries("photos/dog")
    with pytest.raises(OSError, match="there is no such file in the archive"):
        archive.read("photos/cat/3.jpg")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("inner", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "C:/evil.jpg", "a/../b.jpg"])
def test_paths_that_lead_out_are_left_out(tmp_path: Path, name: str, inner: str) -> None:
    archive = open_archive(pack(tmp_path / name, {inner: b"evil", "./a//good.jpg": b"good"}))
    assert archive.read("a/good.jpg") == b"good"
    assert archive.remarks == (f"{tmp_path / name}: 1 entries were left out, because they lead out of it: '{inner}'.",)
    assert {entry.name for entry in archive.entries("")} == {"a"}


@pytest.mark.parametrize("name", KINDS)
def test_a_name_that_is_a_file_and_a_folder(tmp_path: Path, name: str) -> None:
    archive = open_archive(pack(tmp_path / name, {"a": b"file", "a/b.jpg": b"in it", "c/d.jpg": b"d", "c": b"c"}))
    assert archive.read("a") == b"file"
    assert archive.read("c/d.jpg") == b"d"
    assert len(archive.remarks) == 2
    assert not archive.is_file("c")


def test_the_last_of_two_entries_with_one_name_counts(tmp_path: Path) -> None:
    archive = open_archive(pack(tmp_path / "x.tar", {"./a.jpg": b"first", "a.jpg": b"second"}))
    assert archive.read("a.jpg") == b"second"


@pytest.mark.parametrize("name", KINDS)
def test_the_content_decides_what_an_archive_is(tmp_path: Path, name: str) -> None:
    for suffix in ("zip", "tar", "tgz"):
        made = pack(tmp_path / f"made.{suffix}", FILES)
        made.rename(tmp_path / name)
        assert open_archive(tmp_path / name).read("photos/cat/1.jpg") == b"one"


def test_an_archive_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    path = pack(tmp_path / "x.tar", {"a.jpg": b"one"})
    first = open_archive(path)
    assert open_archive(path) is first
    pack(path, {"a.jpg": b"another"})
    assert open_archive(path).read("a.jpg") == b"another"


def test_few_archives_stay_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(40):
        open_archive(pack(tmp_path / f"{number}.tar", {"a.jpg": b"one"}))
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 10


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ArchiveLimits(entries=3), "more than 3 entries"),
        (ArchiveLimits(bytes=100), "more than 100 unpacked bytes"),
    ],
)
def test_limits(tmp_path: Path, name: str, limits: ArchiveLimits, said: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: the archive has {said}; unpack it yourself"):
        open_archive(pack(tmp_path / name, FILES), limits)


@pytest.mark.parametrize("name", ["x.zip", "x.tgz"])
def test_a_bomb_is_refused(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / name, {f"{number}.jpg": bytes(1 << 20) for number in range(80)})
    assert path.stat().st_size < 1 << 20
    with pytest.raises(InputError, match=f"{name}: its files are more than 100 times as large as the archive"):
        open_archive(path)


@pytest.mark.parametrize("name", KINDS)
def test_an_image_that_is_too_large_is_not_read(tmp_path: Path, name: str) -> None:
    archive = open_archive(pack(tmp_path / name, FILES), ArchiveLimits(file_bytes=1_000))
    assert archive.read("photos/cat/1.jpg") == b"one"
    with pytest.raises(OSError, match="it is larger than 1,000 bytes"):
        archive.read("photos/cat/2.jpg")


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_archive_is_never_a_crash(tmp_path: Path, name: str) -> None:
    data = pack(tmp_path / name, {**FILES, "noise.jpg": os.urandom(5_000)}).read_bytes()
    for length in range(0, len(data), max(1, len(data) // 60)):
        (tmp_path / name).write_bytes(data[:length])
        _use(tmp_path / name)
    for place in range(0, len(data), max(1, len(data) // 60)):
        (tmp_path / name).write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        _use(tmp_path / name)


def _use(path: Path) -> None:
    """Read all files; what goes wrong must be one of the two errors that callers expect."""
    with suppress(InputError, OSError):
        archive = open_archive(path)
        for name in FILES:
            archive.read(name)


@pytest.mark.parametrize("name", ["x.7z", "x.rar", "x.tar.bz2", "x.tar.xz", "x.tar.zst"])
def test_archives_of_other_kinds_say_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"some")
    assert is_archive(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: archives of this kind are not read; unpack it and give the folder"):
        open_archive(tmp_path / name)


def test_names(tmp_path: Path) -> None:
    (tmp_path / "folder.zip").mkdir()
    assert not is_archive(tmp_path / "folder.zip")
    assert is_archive(tmp_path / "X.Tar.GZ")
    assert not is_archive(tmp_path / "x.gz")
    assert [archive_stem(Path(name)) for name in ("a.tar.gz", "b.ZIP", "c.d.tgz", "e.csv")] == ["a", "b", "c.d", "e"]
