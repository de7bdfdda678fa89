from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.full_disk import no_file_over
from trainer.catalog import Row
from trainer.run.unreadable import read_unreadable, write_unreadable


def row(path: str, *labels: str, **values: str) -> Row:
    return Row(path=path, labels=frozenset(labels), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label_delimiter", "labels"), [(None, [("a;b",), ("c",)]), (";", [("a", "b"), ("c",)]), (";", [(), ("c",)])]
)
def test_rows_are_read_as_they_were_written(
    tmp_path: Path, label_delimiter: str | None, labels: list[tuple[str, ...]]
) -> None:
    unreadable = {
        row('a "b", c.jpg', *labels[0], split="train"): "This is not an image.\nIt is text, maybe.",
        row("ä/ö.png", *labels[1], split="valid"): "truncated",
        row("z.png", "c", split="test"): "",
    }
    path = tmp_path / "unreadable.csv"
    write_unreadable(path, unreadable, label_delimiter=label_delimiter)
    assert path.read_text(encoding="utf-8").splitlines()[0] == "path,label,split,reason"
    found = read_unreadable(path, label_delimiter=label_delimiter)
    assert list(found.items()) == list(unreadable.items())


def test_without_a_file_nothing_is_unreadable(tmp_path: Path) -> None:
    assert read_unreadable(tmp_path / "unreadable.csv", label_delimiter=None) == {}


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "unreadable.csv"
    path.write_text("old")
    with no_file_over(10), pytest.raises(OSError, match="File too large"):
        write_unreadable(path, {row("a.jpg", "a", split="train"): "broken"}, label_delimiter=None)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
