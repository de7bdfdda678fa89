"""The diagnosis of a run as files; the rules are tested in tests/trainer/diagnosis."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.digits import add_near_duplicates, write_digits
from tests.support.photos import write_folder
from tests.support.trainer import fit, table, trainer


def test_a_better_split_is_written_beside_the_diagnosis_and_replaced_on_resume(tmp_path: Path, run: Path) -> None:
    digits = add_near_duplicates(write_digits(tmp_path / "digits", dict.fromkeys(range(10), 8)))
    assert fit(digits, run, "--epochs", "1").exit_code == 0
    findings = {finding["name"]: finding for finding in json.loads((run / "diagnosis.json").read_text())["findings"]}
    assert str(run / "regrouped.csv") in findings["near-duplicates"]["try"]
    regrouped = (run / "regrouped.csv").read_bytes()
    assert {row["path"] for row in table(run / "regrouped.csv")} == {row["path"] for row in table(run / "catalog.csv")}

    (run / "bundle").rename(tmp_path / "bundle")
    (run / "regrouped.csv").write_text("interrupted")
    assert trainer("resume", run, "--cache", tmp_path / "cache").exit_code == 0
    assert (run / "regrouped.csv").read_bytes() == regrouped


def test_a_run_without_findings_has_an_empty_diagnosis(tmp_path: Path, run: Path) -> None:
    photos = write_folder(tmp_path / "photos", each=70)
    result = fit(photos, run, "--epochs", "5")
    assert json.loads((run / "diagnosis.json").read_text()) == {"findings": []}
    assert "nothing stands out" in result.stdout.lower()
    assert not (run / "regrouped.csv").exists()
