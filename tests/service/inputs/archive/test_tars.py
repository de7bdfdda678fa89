from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from service.inputs import InputError, open_archive
from service.inputs.archive import ArchiveLimits
from tests.service.inputs.archive.making import make_tar, special

MODES = {"x.tar": "w", "x.tgz": "w:gz"}


@pytest.mark.parametrize("name", MODES)
def test_links_and_devices_are_left_out(tmp_path: Path, name: str) -> None:
    more = (
        special("link.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.jpg", tarfile.LNKTYPE, "cat/1.jpg"),
        special("pipe.jpg", tarfile.FIFOTYPE),
        special("disk.jpg", tarfile.BLKTYPE),
        special("tty.jpg", tarfile.CHRTYPE),
    )
    archive = open_archive(make_tar(tmp_path / name, {"cat/1.jpg": b"one"}, mode=MODES[name], more=more))
    assert [entry.name for entry in archive.entries("")] == ["cat"]
    assert "5 entries were left out, because they are links or devices: 'link.jpg', 'hard.jpg'" in archive.remarks[0]


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names(tmp_path: Path, name: str, form: int) -> None:
    long = "/".join(["folder" * 10] * 20) + "/ü.jpg"
    with tarfile.open(tmp_path / name, MODES[name], format=form) as archive:  # type: ignore[call-overload]
        archive.addfile(tarfile.TarInfo(long))
        archive.addfile(special("empty", tarfile.DIRTYPE))
    found = open_archive(tmp_path / name)
    assert found.is_file(long)
    assert found.entries("empty") == []


@pytest.mark.parametrize("name", MODES)
def test_a_header_that_claims_to_be_huge_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / name, MODES[name], format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("a.jpg")
        info.pax_headers = {"comment": "x" * (1 << 20)}
        archive.addfile(info)
    with pytest.raises(InputError, match=r"an entry has a header of 1,0.* bytes"):
        open_archive(tmp_path / name)


def test_sparse_files_are_left_out(tmp_path: Path) -> None:
    info = special("hole.jpg", tarfile.GNUTYPE_SPARSE)
    path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a"}, more=(info,))
    assert not open_archive(path).is_file("hole.jpg")


def test_many_entries_are_refused_before_all_of_them_are_read(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "x.tgz", {f"{number}.jpg": b"" for number in range(200)}, mode="w:gz")
    with pytest.raises(InputError, match="more than 100 entries"):
        open_archive(path, ArchiveLimits(entries=100))


def test_text_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_text("hello" * 1000)
    with pytest.raises(InputError, match=r"x.tar: this is no tar, or a damaged one"):
        open_archive(tmp_path / "x.tar")
