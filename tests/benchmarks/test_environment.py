from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.environment import make_environment


def test_an_environment_with_the_same_requirements_is_used_again(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one\ntwo~=2.0\n")
    (tmp_path / "link").symlink_to("requirements.txt")
    environment = make_environment(tmp_path, ["one", "two~=2.0"])
    assert environment.python == tmp_path / "bin" / "python"
    assert environment.installed_bytes() == len("one\ntwo~=2.0\n")


def test_an_environment_with_other_requirements_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("one\n")
    with pytest.raises(ValueError, match="other requirements"):
        make_environment(tmp_path, ["two"])


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="no virtual environment"):
        make_environment(tmp_path, ["one"])
