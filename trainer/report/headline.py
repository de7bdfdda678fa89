"""How good the exported model is, in a few figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.bundle.spec import Task
from trainer.predictions import Answer
from trainer.training.metrics import wilson_interval


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The share of validation images that are right, and what else was measured.

    words     what is right with them
    interval  Wilson's 95 % interval of the share
    images    their number
    figures   of metrics.json, without the share where it is one of them
    """

    share: float
    words: str
    interval: tuple[float, float]
    images: int
    figures: Mapping[str, float]


def find_headline(task: Task, metrics: Mapping[str, Any], answers: Sequence[Answer]) -> Headline:
    """Of a bundle's metrics.json; for multilabel, which has no share among them, the share is that of the answers."""
    figures = dict(metrics["validation"])
    images = figures.pop("images")
    if task == "classification":
        share, words = figures.pop("accuracy"), "get the right label"
    else:
        share = sum(answer.predicted == answer.labels for answer in answers) / len(answers)
        words = "get exactly the right labels"
    return Headline(share=share, words=words, interval=wilson_interval(share, images), images=images, figures=figures)
