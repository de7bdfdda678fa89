"""Predictions and bundles as lines of text for a terminal. Imports nothing heavy: help and errors stay fast."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MAX_LISTED_CLASSES = 8
# Besides white space: a byte order mark, NUL, and what word processors put between letters.
_INVISIBLE = r"[\s\x00\u00ad\u200b-\u200f\u2060\ufeff\ufffe]"
_INVISIBLE_ENDS = re.compile(rf"\A{_INVISIBLE}+|{_INVISIBLE}+\Z")


def stripped(text: str) -> str:
    """Return a text without what cannot be seen at its ends: white space, line ends, marks of its encoding."""
    return _INVISIBLE_ENDS.sub("", text)


def printable(text: str) -> str:
    """Replace characters that could control a terminal: names of files and classes come from strangers."""
    return "".join(character if character.isprintable() else "?" for character in text)


def prediction_lines(predictions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Format predictions, one a line: the path, the label, the best classes, and the set if there is one.

    Args:
        predictions: Objects of `batch.predict_files`, without the problems.
    """
    paths = [printable(prediction["path"]) for prediction in predictions]
    labels = [printable(_label(prediction)) for prediction in predictions]
    path_width, label_width = (max(map(len, column), default=0) for column in (paths, labels))
    for prediction, path, label in zip(predictions, paths, labels, strict=True):
        best = ", ".join(f"{item['label']} {_percent(item['probability'])}" for item in prediction["predictions"])
        yield f"{path:<{path_width}}  {label:<{label_width}}  {printable(best)}{printable(_set(prediction))}"


def bundle_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Format the report of `verify`, one fact a line."""
    pixels, classes = report["pixels"], report["classes"]
    resized = f"{pixels['size']} x {pixels['size']}, {pixels['mode']}, {pixels['filter']}"
    if pixels["mode"] == "crop":
        resized += f" from a short side of {pixels['resize_short']}"
    facts = {
        "bundle": f"{report['name']}, version {report['version']}, created {report['created']}",
        "digest": report["digest"],
        "task": f"{report['task']} of {len(classes)} classes",
        "classes": _listed(classes),
        "pixels": resized,
        "models": f"{', '.join(report['models'])}: {report['golden_images']} golden images agree",
    }
    for name, model in report["models"].items():
        facts[name] = _metrics(model["metrics"])
        for word, line in _doubts(model):
            facts[word if len(report["models"]) == 1 else f"{word} ({name})"] = line
    for name, value in facts.items():
        yield f"{name:<{max(map(len, facts))}} {printable(value)}"


def _metrics(metrics: Mapping[str, Any]) -> str:
    """The numbers among the metrics of a model file."""
    measured = metrics.get("validation")
    found = measured if isinstance(measured, Mapping) else metrics
    return ", ".join(f"{name} {value:g}" for name, value in found.items() if type(value) in (int, float)) or "none"


def _doubts(model: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What spec.json says of a model file that does not know everything: in a word, and in a line."""
    if found := model.get("ood"):
        yield (
            "unknown",
            f"{found['method']} over {found['threshold']:g}, as {_percent(found['false_alarms'])} of the images of its "
            f"classes may be; set on {found['images']:,} images",
        )
    if found := model.get("abstain"):
        optimistic = "" if found["independent"] else "; optimistic, since these images chose more than this"
        yield (
            "unsure",
            f"certainty under {found['threshold']:.3g}; of its answers at most {_percent(found['max_error'])} are "
            f"wrong, with a confidence of {_percent(found['confidence'])}; it answers {_percent(found['coverage'])} of "
            f"{found['images']:,} images{optimistic}",
        )
    if found := model.get("set"):
        yield "set", f"has the right label for {_percent(found['level'])} of images; from {found['images']:,} images"


def _label(prediction: Mapping[str, Any]) -> str:
    if "abstained" in prediction:
        return f"({prediction['abstained']})"
    if "labels" in prediction:
        return ", ".join(item["label"] for item in prediction["labels"]) or "(no label)"
    return str(prediction["label"])


def _set(prediction: Mapping[str, Any]) -> str:
    if "set" not in prediction:
        return ""
    found = prediction["set"]
    return f"  set: {_listed(found) or 'none'}"


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - _MAX_LISTED_CLASSES
    return ", ".join(names[:_MAX_LISTED_CLASSES]) + (f" and {rest} more" if rest > 0 else "")


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"
