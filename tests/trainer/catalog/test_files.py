from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from trainer.catalog import Row, hash_files, lost_classes, require_readable
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


def test_the_error_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"gone.jpg: the image cannot be read \(No such file or directory\)"):
        hash_files([tmp_path / "gone.jpg"], threads=2)


def broken(count: int) -> dict[Row, str]:
    return {
        Row(path=f"{number}.jpg", labels=frozenset("a"), split="train"): f"reason {number}"
        for number in reversed(range(count))
    }


def test_a_tenth_of_the_images_may_be_broken() -> None:
    require_readable(100, broken(10))
    require_readable(100, {})
    require_readable(0, {})


def test_more_than_a_tenth_is_an_error() -> None:
    with pytest.raises(CatalogError) as info:
        require_readable(60, broken(7))
    assert str(info.value).startswith("7 of 60 images cannot be decoded, more than 10%; repair or remove them")
    assert "0.jpg: reason 0 | 1.jpg: reason 1 | " in str(info.value)
    assert str(info.value).endswith("4.jpg: reason 4 and 2 more")
    require_readable(60, broken(7), max_fraction=0.2)


def test_classes_are_lost_with_their_last_training_image() -> None:
    rows = [Row(path=f"{name}.jpg", labels=frozenset({name}), split="train") for name in ("10", "2", "kept")]
    other = Row(path="x.jpg", labels=frozenset({"x"}), split="valid")
    assert lost_classes([*rows, other], ("kept",)) == ("2", "10")
