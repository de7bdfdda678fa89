"""Answers and bundles as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MAX_LISTED = 8


def plain(text: str) -> str:
    """The text without characters that could steer a terminal: names of files and classes are strangers' words."""
    return "".join(character if character.isprintable() else "?" for character in text)


def predictions(answers: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each answer of `batch.predict_files`: path, what is said of it, and the best classes."""
    paths = [plain(answer["path"]) for answer in answers]
    said = [plain(_said(answer)) for answer in answers]
    path_width, said_width = (max(map(len, column), default=0) for column in (paths, said))
    for answer, path, label in zip(answers, paths, said, strict=True):
        listed = ", ".join(f"{item['label']} {_percent(item['probability'])}" for item in answer["predictions"])
        yield f"{path:<{path_width}}  {label:<{said_width}}  {plain(listed)}"


def bundle(report: Mapping[str, Any]) -> Iterator[str]:
    """What `verify` found, a line a fact."""
    pixels, classes = report["pixels"], report["classes"]
    resized = f"{pixels['size']} x {pixels['size']}, {pixels['mode']}, {pixels['filter']}"
    if pixels["mode"] == "crop":
        resized += f" from a short side of {pixels['resize_short']}"
    numbers = [f"{name} {value:g}" for name, value in report["metrics"].items() if type(value) in (int, float)]
    more = f" and {len(classes) - _MAX_LISTED} more" if len(classes) > _MAX_LISTED else ""
    facts = {
        "bundle": f"{report['name']}, version {report['version']}, made {report['created']}",
        "digest": report["digest"],
        "task": f"{report['task']} of {len(classes)} classes",
        "classes": ", ".join(classes[:_MAX_LISTED]) + more,
        "pixels": resized,
        "models": f"{', '.join(report['models'])}: {report['golden_images']} golden images agree",
        "metrics": ", ".join(numbers) or "none",
    }
    for name, value in facts.items():
        yield f"{name:<8} {plain(value)}"


def _said(answer: Mapping[str, Any]) -> str:
    if "labels" in answer:
        return ", ".join(item["label"] for item in answer["labels"]) or "(no label)"
    return "(not sure)" if answer["label"] is None else str(answer["label"])


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"
