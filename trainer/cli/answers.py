"""What a verb says when its work is done, for programs and for people."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong flag shall not
    from service.bundle import Bundle
    from trainer.run import Outcome


def command(program: str, *words: str | Path) -> str:
    """A command line that can be pasted, whatever the names in it."""
    return shlex.join(["python", "-m", program, *map(str, words)])


def summary(outcome: Outcome, run: Path) -> dict[str, Any]:
    """What a fit gave: a JSON object."""
    from trainer.insight.diagnosis import to_json

    return {
        "run": str(run),
        "bundle": str(run / "bundle"),
        "report": str(run / "report.html"),
        "digest": outcome.bundle.digest,
        "validation": outcome.bundle.metrics["validation"],
        "diagnosis": to_json(outcome.findings),
        "stages_s": {stage: round(seconds, 2) for stage, seconds in outcome.fitted.stages.items()},
        "unreadable": {row.path: reason for row, reason in outcome.unreadable.items()},
        "warnings": list(outcome.warnings),
    }


def story(outcome: Outcome, run: Path) -> str:
    """The same in lines for people."""
    from trainer.insight.diagnosis import tell

    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in outcome.fitted.stages.items())
    lines = [f"left out: {row.path}: {reason}" for row, reason in outcome.unreadable.items()]
    lines += [
        f"stages: {stages}",
        figures(outcome.bundle),
        tell(outcome.findings),
        f"bundle: {run / 'bundle'} ({outcome.bundle.digest[:19]}...)",
        f"report: {run / 'report.html'}",
        f"next:   {command('service', 'serve', run / 'bundle')}",
    ]
    return "\n".join(lines)


def figures(bundle: Bundle) -> str:
    """A bundle's validation figures in one line."""
    validation = bundle.metrics["validation"]
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in validation.items() if name != "images")
    return f"validation ({validation['images']} images): {shown}"
