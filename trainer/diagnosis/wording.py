"""Findings as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trainer.diagnosis.finding import Finding


def tell(findings: Sequence[Finding]) -> str:
    """A line a finding and one with its command, the most important first, or that nothing stands out."""
    return "\n".join(("diagnosis:", *_lines(findings))) if findings else "diagnosis: nothing stands out"


def _lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        yield f"  {finding.name} (confidence: {finding.confidence}): {finding.summary}"
        if finding.command:
            yield f"    try: {finding.command}"
