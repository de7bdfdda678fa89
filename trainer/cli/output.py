"""What a command prints when its work is done: a JSON object, or lines for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.command_line import command_line
from trainer.wording import counted

if TYPE_CHECKING:  # torch takes seconds to import; --help and a wrong option do not need it
    from service.bundle import Bundle
    from trainer.catalog import Row
    from trainer.run import Calibrated, Evaluation, RunFolder, RunResult


def fit_json(result: RunResult, run: RunFolder) -> dict[str, Any]:
    """The result of a fit as a JSON object."""
    from service.bundle import FP32
    from trainer.diagnosis import findings_to_json
    from trainer.training.history import read_history

    kept = read_history(run.history).kept
    return {
        "run": str(run),
        "bundle": str(run.bundle),
        "report": str(run.report),
        "digest": result.bundle.digest,
        "images": result.summary,
        "validation": result.bundle.metrics_of(FP32).get("validation"),
        "kept_epoch": kept.number if kept else None,
        "diagnosis": findings_to_json(result.findings, result.commands),
        "stages_s": {stage: round(seconds, 2) for stage, seconds in result.fit.stage_seconds.items()},
        "unreadable": {row.path: reason for row, reason in result.unreadable.items()},
        "warnings": list(result.warnings),
        "decisions": result.decisions,
    }


def fit_text(result: RunResult, run: RunFolder) -> str:
    """The result of a fit in lines for people."""
    from service.bundle import FP32
    from trainer.diagnosis import findings_to_text
    from trainer.training.history import read_history

    kept_head = read_history(run.history).kept_head
    stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in result.fit.stage_seconds.items())
    lines = [
        *([kept_head] if kept_head else []),
        *([f"remembered from clean: {counted(result.decisions, 'decision')}"] if result.decisions else []),
        *_left_out(result.unreadable),
        f"stages: {stages}",
        metrics_text("validation", result.bundle.metrics_of(FP32).get("validation")),
        findings_to_text(result.findings, result.commands),
        f"bundle: {run.bundle} ({result.bundle.digest[:19]}...)",
        f"report: {run.report}",
        f"next:   {command_line('serve', run.bundle)}",
    ]
    return "\n".join(lines)


def bundle_result(bundle: Bundle, options: Mapping[str, Any], measured: str) -> tuple[dict[str, Any], str]:
    """A bundle that was written, as a JSON object and in lines for people.

    Args:
        bundle: As it was read back.
        options: Of the command: `out` and `oci`.
        measured: What was measured, in one line.
    """
    from service.bundle import FP32

    places = {name: str(options[name]) for name in ("out", "oci") if options[name] is not None}
    value = {
        "bundle": places.get("out"),
        "oci": places.get("oci"),
        "digest": bundle.digest,
        "validation": bundle.metrics_of(FP32).get("validation"),
        "models": {name: _fitted(bundle, name) for name in bundle.models},
    }
    return value, "\n".join([*places.values(), bundle.digest, measured])


def calibration_result(found: Calibrated, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A bundle that was calibrated, as a JSON object and in lines for people.

    Args:
        found: The bundle and the images.
        options: Of the command: `out` and `oci`.
    """
    from service.bundle import FP32

    bundle, images = found.bundle, found.images
    measured = [metrics_text("validation", bundle.metrics_of(FP32).get("validation"))]
    measured += [_fitted_text(name, _fitted(bundle, name)) for name in bundle.models]
    if options["out"] is not None:
        measured.append(f"next: {command_line('serve', options['out'])}")
    value, text = bundle_result(bundle, options, "\n".join(measured))
    value |= {
        "images": images.summary,
        "unreadable": {row.path: reason for row, reason in images.unreadable.items()},
        "warnings": list(images.warnings),
    }
    return value, text


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """The result of an evaluation as a JSON object."""
    return {
        "digest": evaluation.digest,
        "images": evaluation.summary,
        "test": {"images": evaluation.images, **evaluation.metrics},
        **({} if evaluation.interval is None else {"accuracy_interval": list(evaluation.interval)}),
        **({} if evaluation.calibration is None else {"calibration": evaluation.calibration}),
        "unreadable": {row.path: reason for row, reason in evaluation.unreadable.items()},
        "warnings": list(evaluation.warnings),
        **evaluation.doubts,
    }


def evaluation_text(evaluation: Evaluation) -> str:
    """The result of an evaluation in lines for people."""
    lines = [*(f"warning: {warning}" for warning in evaluation.warnings), *_left_out(evaluation.unreadable)]
    lines.append(metrics_text("test", {"images": evaluation.images, **evaluation.metrics}))
    lines += _doubts_lines(evaluation.doubts, evaluation.images)
    if evaluation.interval is not None:
        low, high = evaluation.interval
        lines.append(f"95 % interval of the accuracy: {low:.4f} to {high:.4f}")
    if evaluation.calibration is not None:
        lines.append(_calibration_text(evaluation.calibration, evaluation.images))
    return "\n".join(lines)


def metrics_text(split: str, metrics: Mapping[str, float] | None) -> str:
    """Metrics as metrics.json has them, in one line; None if there were no images."""
    if metrics is None:
        return f"{split}: no images, so nobody knows how good the model is; the last epoch was kept"
    shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in metrics.items() if name != "images")
    return f"{split} ({counted(int(metrics['images']), 'image')}): {shown}"


def _doubts_lines(doubts: Mapping[str, Mapping[str, Any]], images: int) -> Iterator[str]:
    """What a bundle that does not know everything answered, and what its sets hold, a line each."""
    if abstention := doubts.get("abstention"):
        answered = abstention["answered"]
        right = f", {abstention['right']:,} of them right ({abstention['right'] / answered:.1%})" if answered else ""
        yield (
            f"answered: {answered:,} of {images:,} images{right}; "
            f"{abstention['unknown']:,} unknown, {abstention['unsure']:,} unsure"
        )
    if sets := doubts.get("sets"):
        yield (
            f"sets: {sets['right']:,} of {images:,} have the right label ({sets['right'] / images:.1%}), with "
            f"{sets['mean_size']:.2f} labels on average"
        )


def written(folder: Path | None, name: str) -> list[str]:
    """A line that names a file, if there is a folder for it."""
    return [] if folder is None else [f"plot: {folder / name}"]


def print_result(value: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print what a command did: a JSON object, or lines for people."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False) if as_json else text)


def _fitted(bundle: Bundle, file: str) -> dict[str, Any]:
    """What was fitted for a model file: its temperature, and `abstain` and `set` as metrics.json has them."""
    metrics = bundle.metrics_of(file)
    found = {name: metrics[name] for name in ("abstain", "set") if name in metrics}
    return {"temperature": bundle.spec.models[file].temperature, **found}


def _fitted_text(file: str, fitted: Mapping[str, Any]) -> str:
    """The same in one line."""
    parts = [f"temperature {fitted['temperature']:g}"]
    abstain, sets = fitted.get("abstain", {}), fitted.get("set", {})
    if "threshold" in abstain:
        parts.append(f"answers {100 * abstain['coverage']:.1f} % of the images")
    if "quantile" in sets:
        parts.append(f"sets of {sets['mean_size']:.2f} labels on average")
    return f"{file}: {', '.join(parts)}"


def _calibration_text(calibration: Mapping[str, Any], images: int) -> str:
    """How far probabilities can be trusted, in one line."""
    (low, high), perfect = calibration["ece_interval"], calibration["perfect_ece"]
    return (
        f"calibration error (ECE): {calibration['ece']:.4f}, 95 % interval {low:.4f} to {high:.4f}; with "
        f"{counted(images, 'image')}, perfect calibration shows {perfect['mean']:.4f} on average and at most "
        f"{perfect['upper']:.4f} 19 times of 20"
    )


def _left_out(unreadable: Mapping[Row, str]) -> Iterator[str]:
    for row, reason in unreadable.items():
        yield f"left out: {row.path}: {reason}"
