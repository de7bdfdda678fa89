from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from trainer.catalog import hash_files
from trainer.errors import CatalogError


def test_hashes_in_the_order_of_the_paths(tmp_path: Path) -> None:
    contents = [bytes([number]) * number * 100_000 for number in range(9)]
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    done: list[int] = []
    hashes = hash_files(paths, threads=3, on_progress=done.append)
    assert hashes == [hashlib.sha256(content).hexdigest() for content in contents]
    assert done == [1] * 9
    assert hash_files([], threads=1) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"gone.jpg: the image cannot be read \(No such file or directory\)"):
        hash_files([tmp_path / "gone.jpg"], threads=2)
