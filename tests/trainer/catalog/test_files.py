from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from trainer.catalog import Row, broken_images, hash_files, lost_classes, require_readable
from trainer.errors import BrokenImages


def test_hashes_in_the_order_of_the_paths(tmp_path: Path) -> None:
    contents = [bytes([number]) * number * 100_000 for number in range(9)]
    paths = [tmp_path / f"{number}.jpg" for number in range(9)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    done: list[int] = []
    hashes = hash_files(paths, threads=3, on_progress=done.append)
    assert hashes.errors == {}
    assert hashes.digests == [hashlib.sha256(content).hexdigest() for content in contents]
    assert done == [1] * 9
    assert hash_files([], threads=1).digests == []


def test_files_that_cannot_be_read_have_no_hash_but_a_reason(tmp_path: Path) -> None:
    (tmp_path / "there.jpg").touch()
    found = hash_files([tmp_path / "gone.jpg", tmp_path / "there.jpg", tmp_path], threads=2)
    assert found.digests == [None, hashlib.sha256().hexdigest(), None]
    assert found.errors == {
        0: "The file cannot be read (No such file or directory).",
        2: "The file cannot be read (Is a directory).",
    }


def broken(*reasons: str) -> dict[Row, str]:
    """The images 0.jpg, 1.jpg ... with these reasons, in reverse order."""
    rows = [Row(path=f"{number}.jpg", labels=frozenset("a"), split="train") for number in range(len(reasons))]
    return dict(reversed([*zip(rows, reasons, strict=True)]))


def test_a_fraction_of_the_images_may_be_broken() -> None:
    for total, count in ((100, 10), (100, 0), (0, 0), (20, 10)):
        require_readable(total, broken(*["bad"] * count), allow_broken=0.5)
    with pytest.raises(BrokenImages):
        require_readable(100, broken("bad"), allow_broken=0)
    require_readable(3, broken("bad", "bad"), allow_broken=1)
    with pytest.raises(
        BrokenImages, match=r"none of the 2 images can be decoded: 2 as 0.jpg \(bad\); repair or replace"
    ):
        require_readable(2, broken("bad", "bad"), allow_broken=1)


def test_more_is_an_error_that_names_the_kinds_of_fault_and_a_way_on() -> None:
    unreadable = broken("Wide: 900 pixels.", "No image.", "Wide: 77 pixels.", "No image.", "No image.")
    with pytest.raises(BrokenImages) as info:
        require_readable(9, unreadable, allow_broken=0.5)
    assert str(info.value) == (
        "5 of 9 images cannot be decoded, more than 50%: 3 as 1.jpg (No image), 2 as 0.jpg (Wide: 900 pixels); repair "
        "or remove them, or leave them out with `allow_broken=0.56`"
    )
    assert info.value.unreadable == unreadable
    require_readable(9, unreadable, allow_broken=0.56)


def test_more_than_a_tenth_is_a_warning_that_names_the_kinds_of_fault() -> None:
    assert [*broken_images(20, broken("bad", "bad"))] == []
    (warning,) = broken_images(19, broken("bad", "worse"))
    assert warning.startswith("2 of 19 images cannot be decoded and are left out: 1 as 0.jpg (bad), 1 as 1.jpg (worse)")
    assert warning.endswith("give a smaller fraction as `allow_broken`.")


def test_classes_are_lost_with_their_last_training_image() -> None:
    rows = [Row(path=f"{name}.jpg", labels=frozenset({name}), split="train") for name in ("10", "2", "kept")]
    other = Row(path="x.jpg", labels=frozenset({"x"}), split="valid")
    assert lost_classes([*rows, other], ("kept",)) == ("2", "10")
