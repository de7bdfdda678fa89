"""Two models, compared on the same images: what differs, as numbers, as JSON and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from service.inputs import first_few
from trainer.report.paired import Paired, compare_accuracy, compare_f1, f1_of, sign_test
from trainer.wording import counted

Outcome = Literal["fixed", "broken", "other"]
_CLEAR_P = 0.05


@dataclass(frozen=True, kw_only=True)
class Model:
    """One of the two models.

    Attributes:
        path: What was compared, as it was typed.
        name: Name of its bundle.
        version: Version of its bundle.
        digest: Digest of its bundle.
        created: When its bundle was made.
        only: Its classes that the other model does not have.
    """

    path: str
    name: str
    version: str
    digest: str
    created: str
    only: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ClassChange:
    """How a class is recognized by both models.

    Attributes:
        label: The class.
        images: Number of images that have it.
        first: Recall of the first model, for several labels an image F1, 0..1.
        second: The same of the second one.
        gained: Number of its images that were wrong and became right; for several labels an image, of all images.
        lost: The other way round.
        p_value: As in `Paired`.
        is_clear: Whether that is hardly chance, although so many classes are looked at (Bonferroni).
    """

    label: str
    images: int
    first: float
    second: float
    gained: int
    lost: int
    p_value: float
    is_clear: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Both models, measured with the labels of one place.

    Attributes:
        labels_of: Whose labels these are.
        about: What is different about them, in a sentence; empty if nothing is.
        images: Number of images.
        units: Number of groups of images that show nearly the same.
        paired: The difference in accuracy, or for several labels an image in micro F1.
        macro_f1: Macro F1 of both, over the classes that the images have.
        classes: Those that the images have, in class order.
    """

    labels_of: str
    about: str
    images: int
    units: int
    paired: Paired
    macro_f1: tuple[float, float]
    classes: tuple[ClassChange, ...]

    @property
    def gained(self) -> list[ClassChange]:
        """The classes that the second model recognizes better, the largest gain first."""
        better = [change for change in self.classes if change.gained > change.lost]
        return sorted(better, key=lambda change: (change.lost - change.gained, change.p_value))

    @property
    def lost(self) -> list[ClassChange]:
        """The classes that it recognizes worse, the largest loss first."""
        worse = [change for change in self.classes if change.gained < change.lost]
        return sorted(worse, key=lambda change: (change.gained - change.lost, change.p_value))


@dataclass(frozen=True, kw_only=True)
class ChangedImage:
    """An image that both models predict differently.

    Attributes:
        path: As its table or folder has it.
        file: Its file.
        labels: Whose labels -> its labels there.
        first: What the first model predicts.
        second: What the second one predicts.
        probabilities: Of the most probable class of each model.
        outcome: With the labels of the first verdict: `fixed`: it became right; `broken`: it became wrong; `other`: it
            is wrong in another way. For several labels an image: fewer, more or as many labels are wrong.
    """

    path: str
    file: Path
    labels: Mapping[str, tuple[str, ...]]
    first: tuple[str, ...]
    second: tuple[str, ...]
    probabilities: tuple[float, float]
    outcome: Outcome


@dataclass(frozen=True, kw_only=True, repr=False)
class Comparison:
    """Two models on the same images.

    Attributes:
        task: Of both.
        models: The first and the second.
        classes: Those that both have: what is compared.
        source: Which images, in a few words.
        verdicts: One for each place that has labels of these images, if they differ; at least one.
        changed: The images that are predicted differently, the surest mistakes first.
        remarks: Sentences about what was left out, and what to know about the images.
    """

    task: Task
    models: tuple[Model, Model]
    classes: tuple[str, ...]
    source: str
    verdicts: tuple[Verdict, ...]
    changed: tuple[ChangedImage, ...]
    remarks: tuple[str, ...]

    @property
    def metric(self) -> str:
        """Name of what `Paired` has: accuracy, or micro F1."""
        return "accuracy" if self.task == "classification" else "micro F1"

    def outcomes(self, outcome: Outcome) -> list[ChangedImage]:
        """The changed images with one outcome."""
        return [image for image in self.changed if image.outcome == outcome]

    def to_json(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        return {
            "task": self.task,
            "metric": self.metric.replace(" ", "_").lower(),
            "first": _plain(self.models[0]),
            "second": _plain(self.models[1]),
            "classes": list(self.classes),
            "images": self.source,
            "results": [_verdict_json(verdict) for verdict in self.verdicts],
            "changed": [_plain(image) | {"file": str(image.file)} for image in self.changed],
            "remarks": list(self.remarks),
        }

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        first, second = (model.path for model in self.models)
        best = self.verdicts[0]
        return f"Comparison({first!r}, {second!r}: {self.sentence(best)}, {counted(best.images, 'image')})"

    def _lines(self) -> Iterator[str]:
        first, second = (model.path for model in self.models)
        yield f"{first} -> {second}, on {self.source}"
        for remark in self.remarks:
            yield f"  {remark}"
        for verdict in self.verdicts:
            yield f"by the labels of {verdict.labels_of} ({counted(verdict.images, 'image')}):{_about(verdict)}"
            yield f"  {self.sentence(verdict)}"
            yield f"  {verdict.paired.gained:,} {self._predictions} became right, {verdict.paired.lost:,} became wrong"
        yield from _class_lines("better at", self.verdicts[0].gained)
        yield from _class_lines("worse at", self.verdicts[0].lost)

    def sentence(self, verdict: Verdict) -> str:
        """What a verdict comes to."""
        paired = verdict.paired
        low, high = paired.interval
        judged = "hardly chance" if paired.is_clear else "may be chance"
        return (
            f"{self.metric} {_percent(paired.first)} -> {_percent(paired.second)}, {points(paired.difference)} points "
            f"(95 % interval {points(low)} to {points(high)}; {judged}, p = {paired.p_value:.2g})"
        )

    @property
    def _predictions(self) -> str:
        return "predictions" if self.task == "classification" else "labels"


def points(difference: float) -> str:
    """0.0213 -> +2.1: a difference in percent points."""
    return f"{100 * difference:+.1f}".replace("-0.0", "+0.0")


@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """What two models predict for N images, among the K classes that both have.

    Attributes:
        task: Of both models.
        classes: K names.
        first: bool [N, K], the labels that the first model predicts; for classification at most one each.
        second: bool [N, K], of the second model.
        units: int64 [N], which images show nearly the same.
    """

    task: Task
    classes: Sequence[str]
    first: npt.NDArray[np.bool_]
    second: npt.NDArray[np.bool_]
    units: npt.NDArray[np.int64]

    def select(self, rows: npt.NDArray[np.int64]) -> Answers:
        """Those of some of the images."""
        return replace(self, first=self.first[rows], second=self.second[rows], units=self.units[rows])


def judge(answers: Answers, targets: npt.NDArray[np.bool_], *, labels_of: str, about: str = "") -> Verdict:
    """Compare predictions with labels.

    Args:
        answers: Of N images, at least one.
        targets: bool [N, K], their labels.
        labels_of: Whose labels these are.
        about: What is different about them.
    """
    task, first, second, units = answers.task, answers.first, answers.second, answers.units
    if task == "classification":
        right = [np.asarray((predicted & targets).any(axis=1)) for predicted in (first, second)]
        paired = compare_accuracy(right[0], right[1], units)
    else:
        paired = compare_f1(first, second, targets, units)
    scores = [f1_of(predicted, targets) for predicted in (first, second)]
    present = np.flatnonzero(targets.any(axis=0))
    limit = _CLEAR_P / max(1, len(present))
    changes = []
    for index in present.tolist():
        own = targets[:, index] if task == "classification" else np.ones(len(targets), dtype=np.bool_)
        was, now = (predicted[own, index] == targets[own, index] for predicted in (first, second))
        p_value = sign_test(now.astype(np.int64) - was, units[own])
        before, after = (was.mean(), now.mean()) if task == "classification" else (scores[0][index], scores[1][index])
        changes.append(
            ClassChange(
                label=answers.classes[index],
                images=int(targets[:, index].sum()),
                first=float(before),
                second=float(after),
                gained=int((now & ~was).sum()),
                lost=int((was & ~now).sum()),
                p_value=p_value,
                is_clear=p_value < limit,
            )
        )
    return Verdict(
        labels_of=labels_of,
        about=about,
        images=len(targets),
        units=len(np.unique(units)),
        paired=paired,
        macro_f1=(float(scores[0][present].mean()), float(scores[1][present].mean())),
        classes=tuple(changes),
    )


def _class_lines(words: str, changes: Sequence[ClassChange]) -> Iterator[str]:
    if changes:
        shown = [
            f"{change.label!r} ({_percent(change.first)} -> {_percent(change.second)} of "
            f"{counted(change.images, 'image')}{', hardly chance' if change.is_clear else ''})"
            for change in changes
        ]
        yield f"{words} {counted(len(changes), 'class', 'classes')}: {first_few(shown)}"


def _about(verdict: Verdict) -> str:
    return f" {verdict.about}" if verdict.about else ""


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %"


def _verdict_json(verdict: Verdict) -> dict[str, Any]:
    return _plain(verdict) | {"difference": verdict.paired.difference}


def _plain(value: Any) -> dict[str, Any]:
    plain: dict[str, Any] = asdict(value)
    return plain
