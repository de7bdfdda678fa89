"""One thing that is worth saying of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What stands out in a run, and what to do about it.

    name        in kebab case; what may be found has fixed names
    confidence  how sure it is that this is so
    summary     one sentence
    evidence    what was measured: JSON values
    command     what to try next; empty where no command would change it before the images are others
    """

    name: str
    confidence: Confidence
    summary: str
    evidence: Mapping[str, Any]
    command: str

    def to_json(self) -> dict[str, Any]:
        """As it stands in diagnosis.json; the command is called `try`."""
        return {
            "name": self.name,
            "confidence": self.confidence,
            "summary": self.summary,
            "evidence": dict(self.evidence),
            "try": self.command,
        }
