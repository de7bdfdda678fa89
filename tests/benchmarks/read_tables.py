"""How long large tables and archives take to be read, and in how much memory.

    python -m tests.benchmarks.read_tables [--images 100000]

Empty files in folders of a thousand, named by tables whose paths are written in different ways, and in archives of the
same files. Each is read in a process of its own: the table shows its processor time and its peak memory beyond that of
a process that only imports the reader.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.hardware import machine
from trainer.catalog import ReadOptions, read_catalog

_EACH = 1_000
_FORMS: dict[str, Callable[[Path, str], str]] = {
    "as they are": lambda _, path: path,
    "absolute": lambda root, path: f"{root}/{path}",
    "with backslashes": lambda _, path: path.replace("/", "\\"),
    "of another computer": lambda _, path: f"C:\\Users\\me\\photos\\{path}".replace("/", "\\"),
    "without suffix": lambda _, path: path.removesuffix(".jpg"),
}


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        root = home / "photos"
        paths = [f"class {number // _EACH}/{number}.jpg" for number in range(images)]
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        print(f"{machine('cpu')}, {images:,} images\n\n| data | processor time | memory |\n|---|---|---|", flush=True)
        show("a folder", root, None)
        for name, form in _FORMS.items():
            show(f"a CSV, paths {name}", write_csv(home / "x.csv", paths, root, form), root)
        for archive in pack(home, root):
            show(f"a {archive.suffix}", archive, None)
        shutil.rmtree(root)


def write_csv(table: Path, paths: list[str], root: Path, form: Callable[[Path, str], str]) -> Path:
    """Write a table with one form of paths."""
    rows = (f"{form(root, path)},{path.partition('/')[0]}\n" for path in paths)
    table.write_text("path,label\n" + "".join(rows), encoding="utf-8")
    return table


def pack(home: Path, root: Path) -> list[Path]:
    """Pack the folder as zip and as tgz."""
    with zipfile.ZipFile(home / "x.zip", "w") as packed, tarfile.open(home / "x.tgz", "w:gz") as tarred:
        for path in sorted(root.rglob("*.jpg")):
            packed.write(path, path.relative_to(root))
            tarred.add(path, path.relative_to(root))
    return [home / "x.zip", home / "x.tgz"]


def show(name: str, data: Path, root: Path | None) -> None:
    """Read in a process of its own, and print a row."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, megabytes = pool.apply(read, (data, root))
    print(f"| {name} | {seconds:.1f} s | {megabytes:.0f} MB |", flush=True)


def read(data: Path, root: Path | None) -> tuple[float, float]:
    """Return the processor time in seconds, and by how many MB the peak of memory grew."""
    before = peak_megabytes()
    start = time.process_time()
    read_catalog(data, ReadOptions(root=root))
    return time.process_time() - start, peak_megabytes() - before


def peak_megabytes() -> float:
    """The peak of this process's memory. `getrusage` would count that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main()
