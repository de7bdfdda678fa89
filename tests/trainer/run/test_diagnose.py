"""The diagnosis of a run as files; the rules are tested in tests/trainer/diagnosis."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from pathlib import Path

from tests.support.digits import add_near_duplicates, write_digits
from tests.support.photos import write_folder
from tests.support.trainer import fit, table, trainer


def test_what_is_suggested_for_near_duplicates_keeps_them_in_one_split(tmp_path: Path, run: Path) -> None:
    digits = add_near_duplicates(write_digits(tmp_path / "digits", dict.fromkeys(range(5), 8)))
    cache = ("--cache", tmp_path / "cache")
    assert fit(digits, run, "--epochs", "1").exit_code == 0
    findings = {finding["name"]: finding for finding in json.loads((run / "diagnosis.json").read_text())["findings"]}
    suggested = shlex.split(findings["near-duplicates"]["try"])
    assert suggested[-4:-1] == ["--group-by", "similar", "--out"]
    second = Path(suggested[-1])

    again = trainer(*suggested[1:], *cache, "--device", "cpu")
    assert again.exit_code == 0, again.stderr
    assert "images, in " in again.stderr
    assert "groups; each stays in one split" in again.stderr
    rows = table(second / "catalog.csv")
    assert {row["path"] for row in rows} == {row["path"] for row in table(run / "catalog.csv")}
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        splits[Path(row["path"]).stem.split("-")[0]].add(row["split"])
    assert sum(row["split"] == "valid" for row in rows) >= 0.1 * len(rows)
    assert sum(len(found) > 1 for found in splits.values()) <= 0.05 * len(splits)
    (second / "bundle").rename(tmp_path / "bundle")
    assert trainer("resume", second, *cache).exit_code == 0
    assert table(second / "catalog.csv") == rows


def test_a_run_without_findings_has_an_empty_diagnosis(tmp_path: Path, run: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=70)
    result = fit(photos, run, "--epochs", "5")
    assert json.loads((run / "diagnosis.json").read_text()) == {"findings": []}
    assert "nothing stands out" in result.stdout.lower()
