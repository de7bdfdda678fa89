from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.trainer import FAST, trainer
from trainer.run.environment import default_cache


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that is no folder; returns the folder for temporary files."""
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.write_text("")
    temporary.mkdir()
    monkeypatch.delenv("FIELDGUIDE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    return temporary


def test_without_a_home_decoded_images_go_to_a_temporary_folder(no_home: Path, photos: Path, tmp_path: Path) -> None:
    """A container's user without a home directory could not train without --cache."""
    result = trainer("fit", photos, "--out", tmp_path / "run", *FAST)
    assert result.exit_code == 0, result.stderr
    (cache,) = no_home.glob("fieldguide-cache-*")
    assert f"nothing can be written to {tmp_path}/home/.cache/fieldguide" in result.stderr
    assert f"are kept in {cache}; --cache or FIELDGUIDE_CACHE names another folder" in result.stderr
    assert any(cache.iterdir())
    shown = trainer("cache")
    assert shown.stdout.startswith(f"{cache}: ")
    assert result.stderr.count("nothing can be written") == shown.stderr.count("nothing can be written") == 1


def test_a_user_without_an_entry_has_no_home(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", missing)
    lines: list[str] = []
    assert default_cache(warn=lines.append).parent == no_home
    assert lines[0].startswith("this user has no home directory")


def test_a_folder_that_others_may_write_to_is_not_used(no_home: Path) -> None:
    """They could put images into it."""
    private = default_cache(warn=print)
    assert default_cache(warn=print) == private
    private.chmod(0o777)
    other = default_cache(warn=print)
    assert other != private
    assert other.stat().st_mode & 0o077 == 0
    private.rmdir()
    private.symlink_to(no_home)
    assert default_cache(warn=print) != private


def test_a_folder_that_was_named_is_used(no_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIELDGUIDE_CACHE", "/named")
    assert default_cache(warn=pytest.fail) == Path("/named")
    monkeypatch.delenv("FIELDGUIDE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(no_home / "caches"))
    assert default_cache(warn=pytest.fail) == no_home / "caches" / "fieldguide"
