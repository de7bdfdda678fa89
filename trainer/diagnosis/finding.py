"""What a diagnosis finds, as objects, as diagnosis.json and as text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from trainer.atomic import atomic_write_text

Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What to try next.

    Attributes:
        command: `fit` the same images again, `lr_find`: look for a learning rate first, or `clean`: look at images.
        changes: Options that differ from those of the diagnosed run, under their names in the Python API.
        regrouped: Whether to draw the validation images anew, so that near duplicates stay together.
    """

    command: Literal["fit", "lr_find", "clean"]
    changes: Mapping[str, float | str] = field(default_factory=dict)
    regrouped: bool = False


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that stands out in a run, and what to do about it.

    Attributes:
        name: In kebab case, one fixed name per rule.
        confidence: How sure the rule is.
        summary: One sentence.
        evidence: What the rule looked at, as JSON values.
        remedy: What to try next; None if no command helps as long as the images stay the same.
    """

    name: str
    confidence: Confidence
    summary: str
    evidence: Mapping[str, Any]
    remedy: Remedy | None


def findings_to_json(findings: Sequence[Finding], commands: Sequence[str]) -> dict[str, Any]:
    """Convert findings to the JSON object of diagnosis.json.

    Args:
        findings: What was found.
        commands: For each finding the command line that a person can paste; empty without a remedy.

    Returns:
        {"findings": [{"name", "confidence", "summary", "evidence", "try"}]}; `try` is the command line, or empty.
    """
    return {
        "findings": [
            {
                "name": finding.name,
                "confidence": finding.confidence,
                "summary": finding.summary,
                "evidence": dict(finding.evidence),
                "try": command,
            }
            for finding, command in zip(findings, commands, strict=True)
        ]
    }


def write_findings(path: Path, findings: Sequence[Finding], commands: Sequence[str]) -> None:
    """Write diagnosis.json, completely or not at all; an existing file is replaced."""
    document = json.dumps(findings_to_json(findings, commands), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_write_text(path) as file:
        file.write(document + "\n")


def read_findings(path: Path) -> list[dict[str, Any]]:
    """Read the findings of a diagnosis.json, each a dict with the keys of `findings_to_json`."""
    findings: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["findings"]
    return findings


def findings_to_text(findings: Sequence[Finding], commands: Sequence[str]) -> str:
    """Format findings for a terminal: one line for each, and a second line with its command if there is one."""
    return "\n".join(("diagnosis:", *_lines(findings, commands))) if findings else "diagnosis: nothing stands out"


def _lines(findings: Sequence[Finding], commands: Sequence[str]) -> Iterator[str]:
    for finding, command in zip(findings, commands, strict=True):
        yield f"  {finding.name} (confidence: {finding.confidence}): {finding.summary}"
        if command:
            yield f"    try: {command}"
