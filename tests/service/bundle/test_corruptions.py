"""Every corruption of a bundle is refused with one clear line, in little time and memory."""

from __future__ import annotations

import random
import re
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from service.bundle import BundleRefused, read_files
from service.predictor import Predictor
from tests.support.corruptions import CORRUPTIONS, MAY_BE_HARMLESS, listed, valid_files, write_folder, write_zip

COUNT = 1000
# Words of Python's own messages, which say nothing to who made the bundle.
PYTHON_WORDS = re.compile(
    r"NoneType|subscriptable|iterable|unhashable|argument|Traceback|object is|indices must|<class"
)
MOST_BYTES = 300_000_000  # that reading may take beside a file of the length that is allowed


def refusal(path: Path, files: dict[str, bytes]) -> str:
    """Read a bundle and load its model: the line of the refusal, or nothing if it is the very bundle `files`."""
    try:
        bundle, found = read_files(path)
        Predictor(bundle)
    except BundleRefused as error:
        return str(error)
    assert found == files, f"{path} was accepted"
    return ""


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_few_corruptions_of_each_kind(kind: str, tmp_path: Path) -> None:
    check(kind, range(4), tmp_path)


@pytest.mark.slow
def test_a_thousand_corruptions(tmp_path: Path) -> None:
    """Takes about 20 seconds."""
    kinds = [*CORRUPTIONS]
    for number in range(COUNT):
        check(kinds[number % len(kinds)], [1000 + number], tmp_path / str(number))


def check(kind: str, seeds: range | list[int], folder: Path) -> None:
    files = valid_files()
    for seed in seeds:
        path = CORRUPTIONS[kind](random.Random(f"{kind} {seed}"), dict(files), folder / str(seed) / "bundle")
        line = refusal(path, files)
        assert line or kind in MAY_BE_HARMLESS, f"{kind} {seed} was accepted"
        assert line.isprintable()
        assert len(line) < 510
        assert not PYTHON_WORDS.search(line), line


def test_valid_files_are_a_bundle(tmp_path: Path) -> None:
    files = valid_files()
    assert refusal(write_folder(files, tmp_path / "folder"), files) == ""
    assert refusal(write_zip(files, tmp_path / "zip"), files) == ""


# Bombs: what they would take is in the name; the process says what they took.

MEASURE = """
import sys, time
from pathlib import Path
from service.bundle import BundleRefused, read_bundle

def memory(name):
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(name)[2].split()[0])

for path in sys.argv[1:]:
    before, start = memory("VmRSS:"), time.monotonic()
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak
    try:
        read_bundle(path)
        line = ""
    except BundleRefused as error:
        line = str(error)
    print(f"{memory('VmHWM:') - before}|{time.monotonic() - start}|{line}")
"""


def directory_bomb(folder: Path) -> Path:
    """400,000 entries of one file: 700 MB of Python objects."""
    folder.mkdir()
    path = write_zip(valid_files(), folder / "zip")
    data = path.read_bytes()
    start = data.index(b"PK\1\2")
    entry = data[start : data.index(b"PK\1\2", start + 4)]
    count = 400_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entry) * count, start, 0)
    path.write_bytes(data[:start] + entry * count + end)
    return path


def listed_bomb(folder: Path) -> Path:
    """150 MB of zeros of 1 GB that the manifest lists, in a zip of 150 kB."""
    folder.mkdir()
    files = listed(valid_files(), lambda manifest: manifest["files"].update(x={"sha256": "0" * 64, "bytes": 10**9}))
    path = write_zip(files, folder / "zip", method=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("x", "w") as file:
        for _ in range(150):
            file.write(bytes(10**6))
    return path


def overlapping_bomb(folder: Path) -> Path:
    """1,000 entries that lead to the same 10 MB, deflated to a fiftieth."""
    noise = random.Random(0).randbytes(20_000)
    kernel = (noise + bytes(980_000)) * 10
    path = write_zip({**valid_files(), "x0000": kernel}, folder, method=zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path, "a") as archive:
        (first,) = [info for info in archive.infolist() if info.filename == "x0000"]
        for number in range(1, 1000):
            other = zipfile.ZipInfo(f"x{number:04}")
            for name in ("compress_type", "compress_size", "file_size", "CRC", "header_offset", "flag_bits"):
                setattr(other, name, getattr(first, name))
            archive.filelist.append(other)
            archive.NameToInfo[other.filename] = other
        archive._didModify = True
    return path


def lying_bomb(folder: Path) -> Path:
    """150 MB of zeros in an entry that says that it is as long as the manifest lists."""
    files = valid_files()
    path = write_zip({**files, "card.md": bytes(150_000_000)}, folder, method=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = data.index(b"card.md", data.index(signature)) - (30 if signature == b"PK\3\4" else 46)
        struct.pack_into("<I", data, start + place, len(files["card.md"]))
    path.write_bytes(data)
    return path


def json_bomb(folder: Path) -> Path:
    """8 MiB of empty lists."""
    return write_folder(listed({**valid_files(), "metrics.json": b'{"a":[' + b"[]," * 2_790_000 + b"0]}"}), folder)


def long_json(folder: Path) -> Path:
    """20 MB of empty lists: 500 MB of Python objects."""
    return write_folder(listed({**valid_files(), "spec.json": b'{"a":[' + b"[]," * 7_000_000 + b"0]}"}), folder)


def long_files(folder: Path) -> Path:
    """Files that are holes of 10 GB."""
    write_folder(valid_files(), folder)
    for name in ("model.onnx", "manifest.sha256"):
        with open(folder / name, "ab") as file:
            file.truncate(10**10)
    return folder


def field_bomb(folder: Path) -> Path:
    """5 million fields of a model, as small as they can be."""
    return write_folder(listed({**valid_files(), "model.onnx": b"\x08\x01" * 5_000_000}), folder)


BOMBS: dict[Callable[[Path], Path], str] = {
    directory_bomb: "the list of files in the zip is longer than 4,194,304 bytes",
    listed_bomb: "the files are more than 100 times as large as the zip",
    overlapping_bomb: "the files are more than 100 times as large as the zip",
    lying_bomb: "card.md was altered: ",
    json_bomb: "",
    long_json: "spec.json is longer than 8,388,608 bytes",
    long_files: "manifest.sha256 is not a sha256sum line of manifest.json",
    field_bomb: "model.onnx is not an ONNX model: it has more than 2,000,000 fields",
}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_bombs_take_little_memory_and_time(tmp_path: Path) -> None:
    paths = [bomb(tmp_path / bomb.__name__) for bomb in BOMBS]
    command = [sys.executable, "-c", MEASURE, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    for (bomb, line), found in zip(BOMBS.items(), done.stdout.splitlines(), strict=True):
        peak_bytes, seconds, refused = found.split("|", 2)
        assert refused.startswith(line), f"{bomb.__name__}: {refused}"
        assert bool(refused) == bool(line), bomb.__name__
        assert int(peak_bytes) < MOST_BYTES, f"{bomb.__name__}: {int(peak_bytes):,} bytes"
        assert float(seconds) < 20, f"{bomb.__name__}: {seconds} s"
