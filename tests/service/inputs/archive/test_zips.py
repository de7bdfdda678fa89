from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from service.inputs import InputError, open_archive
from service.inputs.archive import ArchiveLimits
from tests.service.inputs.archive.making import make_zip


def with_mode(path: Path, mode: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("odd.jpg")
        info.create_system = 3
        info.external_attr = mode << 16
        archive.writestr(info, "/etc/passwd")
        archive.writestr("cat/1.jpg", "one")
    return path


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFIFO, stat.S_IFBLK, stat.S_IFSOCK])
def test_links_and_devices_are_left_out(tmp_path: Path, mode: int) -> None:
    archive = open_archive(with_mode(tmp_path / "x.zip", mode))
    assert not archive.is_file("odd.jpg")
    assert archive.read("cat/1.jpg") == b"one"
    assert archive.remarks[0].endswith("1 entries were left out, because they are links or devices: 'odd.jpg'.")


def test_backslashes_as_some_programs_write_them(tmp_path: Path) -> None:
    archive = open_archive(make_zip(tmp_path / "x.zip", {"cat\\1.jpg": b"one", "..\\evil.jpg": b"evil"}))
    assert archive.read("cat/1.jpg") == b"one"
    assert "lead out of it" in archive.remarks[0]


def test_a_password_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"cat/1.jpg": b"one"})
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"x.zip: 'cat/1.jpg' is encrypted; zip it again without a password"):
        open_archive(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_unusual_compression_is_refused(tmp_path: Path, compression: int) -> None:
    path = make_zip(tmp_path / "x.zip", {"cat/1.jpg": b"one"}, compression=compression)
    with pytest.raises(InputError, match="is compressed in an unusual way"):
        open_archive(path)


def test_a_long_list_of_entries_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "x.zip", {f"{number}.jpg": b"" for number in range(50)})
    monkeypatch.setattr(zipfile, "ZipFile", None)
    with pytest.raises(InputError, match="more than 49 entries"):
        open_archive(path, ArchiveLimits(entries=49))
    data = bytearray(path.read_bytes())
    data[-12:-10] = data[-14:-12] = (3).to_bytes(2, "little")  # the count lies, the size does not
    path.write_bytes(data)
    with pytest.raises(InputError, match="more than 49 entries"):
        open_archive(path, ArchiveLimits(entries=49, header_bytes=46))


def test_the_content_of_a_file_is_checked(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"1.jpg": b"content"}, compression=zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"content", b"changed"))
    with pytest.raises(OSError, match="the archive is damaged: Bad CRC-32"):
        open_archive(path).read("1.jpg")


def test_a_file_that_is_larger_than_it_says(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"1.jpg": bytes(1 << 24)})
    data = path.read_bytes()
    path.write_bytes(data.replace((1 << 24).to_bytes(4, "little"), (1 << 10).to_bytes(4, "little")))
    with pytest.raises(OSError, match="the archive is damaged"):
        open_archive(path).read("1.jpg")
