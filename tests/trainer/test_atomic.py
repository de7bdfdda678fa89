from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.full_disk import no_file_over
from trainer.atomic import atomic_write_text


def test_a_file_is_replaced_once_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("old text")
    with atomic_write_text(path) as file:
        file.write("grönsak\nä\r\n")
        assert path.read_text() == "old text"
    assert path.read_bytes() == "grönsak\nä\r\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("old text")
    with pytest.raises(ZeroDivisionError), atomic_write_text(path) as file:
        file.write(str(1 / 0))
    with pytest.raises(OSError, match="File too large"), no_file_over(100), atomic_write_text(path) as file:
        file.write(1000 * "-")
    assert path.read_text() == "old text"
    assert list(tmp_path.iterdir()) == [path]
