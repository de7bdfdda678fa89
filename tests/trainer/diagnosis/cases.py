"""Evidence made by hand, on which nothing stands out unless a test changes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.catalog import Catalog, Row, Split
from trainer.diagnosis.curve import LearningCurve
from trainer.diagnosis.evidence import Evidence, LRSuggestion, NearestTrainImages
from trainer.diagnosis.label_noise import LabelNoise, SuspectLabel
from trainer.diagnosis.predictions import Predictions
from trainer.recipe import Recipe

CHANCE_LOSS = float(np.log(10))


def curve_of(
    *,
    train_error: Sequence[float],
    valid_error: Sequence[float],
    train_loss: Sequence[float] | None = None,
    valid_loss: Sequence[float] | None = None,
    steps: Sequence[float] = (2.3, 2.0, 1.0, 0.5),
    lr: float = 0.01,
    first: int = 1,
    kept: int | None = None,
    valid_count: int = 400,
) -> LearningCurve:
    """A run with ten classes of equal size; losses are twice the errors if they are not given."""
    return LearningCurve(
        epoch_numbers=np.arange(first, first + len(valid_error)),
        train_loss=np.array(train_loss or [2 * error for error in train_error]),
        valid_loss=np.array(valid_loss or [2 * error for error in valid_error]),
        train_error=np.array(train_error),
        valid_error=np.array(valid_error),
        step_losses=np.array(steps),
        max_lr=lr,
        kept_epoch=kept,
        chance_loss=CHANCE_LOSS,
        valid_count=valid_count,
    )


def suggestion_of(lowest: float, highest: float) -> LRSuggestion:
    """A sweep in which the loss fell; the learning rate in the middle was chosen."""
    return LRSuggestion(lowest=lowest, highest=highest, lr=float(np.sqrt(lowest * highest)), rule="mean")


def edge_of(lr: float) -> LRSuggestion:
    """A sweep in which the loss hardly fell, and rose above this learning rate."""
    return LRSuggestion(lowest=lr, highest=lr, lr=lr, rule="edge")


def catalog_of(train: Mapping[str, int], valid: Mapping[str, int]) -> Catalog:
    """A catalog with so many images of each class; none of them exists."""
    splits: tuple[tuple[Split, Mapping[str, int]], ...] = (("train", train), ("valid", valid))
    return Catalog(
        root=Path("/photos"),
        without_validation=not valid,
        rows=tuple(
            Row(path=f"{split}/{label}/{number}.jpg", labels=frozenset({label}), split=split)
            for split, counts in splits
            for label, count in counts.items()
            for number in range(count)
        ),
    )


def predictions_of(*, wrong: int, count: int = 60, sure: float = 0.9, unsure: int = 0) -> Predictions:
    """Images of three classes in turn; the first `wrong` are labelled the next class, the last `unsure` are guessed."""
    truth = np.arange(count) % 3
    probabilities = np.full((count, 3), (1 - sure) / 2)
    probabilities[np.arange(count), truth] = sure
    probabilities[count - unsure :] = 1 / 3
    targets = np.where(np.arange(count) < wrong, (truth + 1) % 3, truth)
    return Predictions(names=[f"{number}.jpg" for number in range(count)], probabilities=probabilities, targets=targets)


def correct_of(correct: int, count: int) -> Predictions:
    """Images of three classes, of which the last `correct` are predicted correctly, for sure."""
    targets = np.arange(count) % 3
    predicted = np.where(np.arange(count) >= count - correct, targets, (targets + 1) % 3)
    return Predictions(
        names=[f"{number}.jpg" for number in range(count)], probabilities=np.eye(3)[predicted], targets=targets
    )


def label_noise_of(*, train: int = 0, valid: int = 0, count: int = 60) -> LabelNoise:
    """So many suspect labels of `count` images in each split, the training images first."""
    splits: tuple[tuple[Split, int], ...] = (("train", train), ("valid", valid))
    return LabelNoise(
        suspects=[
            SuspectLabel(path=f"{split}/{number}.jpg", split=split, label="b", proposal="a", probability=0.9)
            for split, suspects in splits
            for number in range(suspects)
        ],
        train_count=count,
        valid_count=count,
    )


def nearest_of(similarities: Sequence[float], *, few: bool = False) -> NearestTrainImages:
    """Similarities of validation images, which have the names of their training images."""
    return NearestTrainImages(
        similarities=np.array(similarities, dtype=np.float32),
        pairs=[(f"valid/{number}.jpg", f"train/{number}.jpg") for number in range(len(similarities))],
        few=few,
    )


def evidence_of(**changes: Any) -> Evidence:
    """Evidence on which nothing stands out, with some of its attributes changed."""
    sound = Evidence(
        recipe=Recipe(),
        catalog=catalog_of(dict.fromkeys("abc", 20), dict.fromkeys("abc", 100)),
        lost_classes=(),
        curve=curve_of(train_error=[0.1, 0.04, 0.02], valid_error=[0.1, 0.05, 0.05]),
        lr_suggestion=None,
        valid=predictions_of(wrong=0, count=300),
        train_subset=predictions_of(wrong=0),
        thresholds=(),
        nearest=nearest_of([0.0] * 300),
        label_noise=None,
    )
    return dataclasses.replace(sound, **changes)
