from __future__ import annotations

import json
import re
from pathlib import Path

import trainer.diagnosis
from tests.support.slim import ROOT
from trainer.diagnosis import Finding, Remedy, findings_to_text, read_findings, write_findings

LOW = Finding(
    name="lr-too-low",
    confidence="low",
    summary="It is slow.",
    evidence={"max_lr": 0.1, "classes": ["björn"]},
    remedy=Remedy(command="lr_find"),
)
MISSING = Finding(name="class-missing", confidence="high", summary="Add images.", evidence={}, remedy=None)


TRY = "fieldguide lr-find photos"


def test_a_finding_is_two_lines_of_text_and_no_finding_is_one() -> None:
    assert findings_to_text((), ()) == "diagnosis: nothing stands out"
    assert findings_to_text((LOW,), (TRY,)).splitlines() == [
        "diagnosis:",
        "  lr-too-low (confidence: low): It is slow.",
        f"    try: {TRY}",
    ]


def test_without_a_remedy_no_command_is_shown() -> None:
    assert findings_to_text((MISSING,), ("",)).splitlines() == [
        "diagnosis:",
        "  class-missing (confidence: high): Add images.",
    ]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "diagnosis.json"
    write_findings(path, (LOW, MISSING), (TRY, ""))
    assert read_findings(path) == [
        {
            "name": "lr-too-low",
            "confidence": "low",
            "summary": "It is slow.",
            "evidence": {"max_lr": 0.1, "classes": ["björn"]},
            "try": TRY,
        },
        {"name": "class-missing", "confidence": "high", "summary": "Add images.", "evidence": {}, "try": ""},
    ]
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["findings"]
    assert "björn" in path.read_text(encoding="utf-8")


def test_every_finding_is_in_the_documentation() -> None:
    rules = Path(trainer.diagnosis.__file__).parent.glob("*_rules.py")
    names = {name for path in rules for name in re.findall(r'name="([a-z-]+)"', path.read_text(encoding="utf-8"))}
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    assert len(names) > 10
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
