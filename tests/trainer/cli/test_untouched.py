"""No command changes or deletes a file of the user's, but `check --quarantine`, which moves."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.photos import write_folder
from tests.support.trainer import FAST, trainer


def tree(folder: Path) -> dict[str, str]:
    """Path -> hash and time of change of every file."""
    return {
        str(path.relative_to(folder)): f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.stat().st_mtime_ns}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_trees_of_the_user_stay_as_they_are(tmp_path: Path) -> None:
    photos, others = write_folder(tmp_path / "photos"), write_folder(tmp_path / "others", each=3, first=50)
    (photos / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    before, run, cache = (tree(photos), tree(others)), tmp_path / "run", ("--cache", tmp_path / "cache")
    for words in (
        ("check", photos),
        ("show", photos, "--out", tmp_path / "sheet.png"),
        ("lr-find", photos, *cache, *FAST[:2], "--device", "cpu", "--size", "16"),
        ("fit", photos, "--out", run, *cache, *FAST, "--golden", "validation"),
        ("evaluate", run, others),
        ("compare", run, run, others, "--out", tmp_path / "compare.html"),
        ("report", run),
        ("export", run, "--out", tmp_path / "bundle.zip", *cache),
        ("cache", "clear", *cache),
    ):
        result = trainer(*words)
        assert result.exit_code == 0, result.output
        assert (tree(photos), tree(others)) == before, words[0]
