"""What a verb says when its work is done, for programs and for people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong flag shall not
    from trainer.catalog import Row
    from trainer.run import Evaluation, Outcome


def command(program: str, *words: str | Path) -> str:
    """A command line that can be pasted, whatever the names in it."""
    return shlex.join(["python", "-m", program, *map(str, words)])


def summary(outcome: Outcome, run: Path) -> dict[str, Any]:
    """What a fit gave: a JSON object."""
    from trainer.diagnosis import findings_to_json

    return {
        "run": str(run),
        "bundle": str(run / "bundle"),
        "report": str(run / "report.html"),
        "digest": outcome.bundle.digest,
        "validation": outcome.bundle.metrics["validation"],
        "diagnosis": findings_to_json(outcome.findings, outcome.render_remedy),
        "stages_s": {stage: round(seconds, 2) for stage, seconds in outcome.fitted.stage_seconds.items()},
        "unreadable": {row.path: reason for row, reason in outcome.unreadable.items()},
        "warnings": list(outcome.warnings),
    }


def story(outcome: Outcome, run: Path) -> str:
    """The same in lines for people."""
    from trainer.diagnosis import findings_to_text

    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in outcome.fitted.stage_seconds.items())
    lines = [
        *_left_out(outcome.unreadable),
        f"stages: {stages}",
        figures("validation", outcome.bundle.metrics["validation"]),
        findings_to_text(outcome.findings, outcome.render_remedy),
        f"bundle: {run / 'bundle'} ({outcome.bundle.digest[:19]}...)",
        f"report: {run / 'report.html'}",
        f"next:   {command('service', 'serve', run / 'bundle')}",
    ]
    return "\n".join(lines)


def judgement(found: Evaluation) -> dict[str, Any]:
    """What an evaluation found: a JSON object."""
    return {
        "digest": found.digest,
        "test": {"images": found.images, **found.figures},
        **({} if found.interval is None else {"accuracy_interval": list(found.interval)}),
        "unreadable": {row.path: reason for row, reason in found.unreadable.items()},
        "warnings": list(found.warnings),
    }


def judgement_lines(found: Evaluation) -> str:
    """The same in lines for people."""
    lines = [*(f"warning: {warning}" for warning in found.warnings), *_left_out(found.unreadable)]
    lines.append(figures("test", {"images": found.images, **found.figures}))
    if found.interval is not None:
        low, high = found.interval
        lines.append(f"95 % interval of the accuracy: {low:.4f} to {high:.4f}")
    return "\n".join(lines)


def figures(split: str, measured: Mapping[str, float]) -> str:
    """Figures as metrics.json has them, in one line."""
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in measured.items() if name != "images")
    return f"{split} ({measured['images']} images): {shown}"


def _left_out(unreadable: Mapping[Row, str]) -> Iterator[str]:
    for row, reason in unreadable.items():
        yield f"left out: {row.path}: {reason}"
