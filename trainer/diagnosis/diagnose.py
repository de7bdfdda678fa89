"""Every rule on one run; what stands out, most important first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle.spec import Task
from trainer.catalog import Catalog, Split
from trainer.diagnosis.collapse import prediction_collapse
from trainer.diagnosis.commands import Commands
from trainer.diagnosis.curve import Curve
from trainer.diagnosis.epochs import too_few_epochs, too_many_epochs
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.judged import Predictions
from trainer.diagnosis.labels import noisy_labels
from trainer.diagnosis.leak import near_duplicates
from trainer.diagnosis.learning_rate import other_rate, rate_too_high, rate_too_low
from trainer.diagnosis.lr_evidence import Sweep
from trainer.diagnosis.split import class_missing, few_validation_images


@dataclass(frozen=True, kw_only=True, eq=False)
class NearestTrainImages:
    """Of each validation image, the training image that is most alike: its similarity, and the names of the two.

    few  whether there are so few images that some seem alike which are not; see `whiten`
    """

    similarities: npt.NDArray[np.float32]
    pairs: Sequence[tuple[str, str]]
    few: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """All that the rules look at.

    lost            classes that were left out, as none of their training images could be decoded
    valid, trained  what the best network says of the validation images, and of some training images as they are
    thresholds      at which it gives a label; multilabel only
    split_command   how to fit again on a better split; empty where there is none
    """

    catalog: Catalog
    lost: Sequence[str]
    curve: Curve
    sweep: Sweep | None
    valid: Predictions
    trained: Predictions
    thresholds: Sequence[float]
    twins: NearestTrainImages
    commands: Commands
    split_command: str

    @property
    def task(self) -> Task:
        """Of the catalog."""
        return self.catalog.task


def diagnose(facts: Evidence) -> tuple[Finding, ...]:
    """What stands out, what spoils most first."""
    return tuple(_findings(facts))


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """As diagnosis.json holds them."""
    return {"findings": [finding.to_json() for finding in findings]}


def _findings(facts: Evidence) -> Iterator[Finding]:
    curve, sweep, commands, classes = facts.curve, facts.sweep, facts.commands, facts.catalog.classes
    right = facts.valid.right(task=facts.task, thresholds=facts.thresholds)
    single = facts.task == "classification"
    train_counts, valid_counts = _counts(facts.catalog, "train"), _counts(facts.catalog, "valid")
    rate_command = other_rate(curve, sweep=sweep, commands=commands)
    too_high = rate_too_high(curve, commands=commands)
    collapse = (
        prediction_collapse(facts.valid, train_counts, classes=classes, commands=commands, rate_command=rate_command)
        if single
        else None
    )
    # What was spoilt is sure of what it does not know: it cannot judge labels.
    spoilt = collapse is not None or (too_high is not None and too_high.confidence == "high")
    judges = single and not spoilt
    noisy = noisy_labels(facts.valid, facts.trained, classes=classes, commands=commands) if judges else None
    explained = noisy.evidence["validation_share"] if noisy and noisy.confidence != "low" else 0.0
    for finding in (
        too_high,
        rate_too_low(curve, sweep=sweep, explained=explained, commands=commands),
        too_few_epochs(curve, sweep=sweep, explained=explained, commands=commands),
        collapse,
        near_duplicates(
            facts.twins.similarities, right, facts.twins.pairs, few=facts.twins.few, command=facts.split_command
        ),
        too_many_epochs(curve, commands=commands),
        noisy,
        class_missing(train_counts, valid_counts, lost=facts.lost, commands=commands),
        few_validation_images(int(right.sum()), len(right), commands=commands),
    ):
        if finding is not None:
            yield finding


def _counts(catalog: Catalog, split: Split) -> dict[str, int]:
    """Class -> number of images; in the order of the classes."""
    counts = Counter(label for row in catalog.split(split) for label in row.labels)
    return {label: counts[label] for label in catalog.classes}
