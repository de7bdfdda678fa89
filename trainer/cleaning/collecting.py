"""What to collect next: of which classes more photos would help most, by heads trained on parts of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.cleaning.heads import Labelled, one_thread
from trainer.cleaning.learning_curve import LearningCurve, Measured
from trainer.diagnosis.near_duplicates import whiten

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Targets = npt.NDArray[Any]  # int64 [N], or float32 [N, K] of 0 and 1 for several labels an image

MOST_CLASSES = 10
_FEWEST_VALID = 30  # labels of validation images, of all classes
_FEWEST_OF_A_CLASS = 3  # validation images
_FEWEST_TRAIN = 8  # of a quarter of them, a head learns nothing
_MOST_VALID = 10_000
_RESAMPLES = 400
_NO_GAIN = "Heads that learned half of the images recognize as much: no gain from more photos was seen."
_NO_CLASS = f"No class with at least {_FEWEST_OF_A_CLASS} validation images would gain more than the others."
_INTERVAL = (2.5, 97.5)  # percent
_LEAST_GAIN = 0.01
_SLOWING = (0.5, 1.0)  # by how much less the next doubling may lower the error than the last one
_PRIOR = (1.0, 50.0)  # least and largest number of images that the mean of all classes counts as


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """How many validation labels are recognized with a part of the training images.

    Attributes:
        images: Number of training images.
        accuracy: Fraction of the labels of the validation images, 0..1; see `what_to_collect`.
        interval: 95 % interval.
        is_predicted: Whether it is extrapolated: as many images again, of every class.
    """

    images: int
    accuracy: float
    interval: tuple[float, float]
    is_predicted: bool = False


@dataclass(frozen=True, kw_only=True)
class WantedClass:
    """A class of which more photos would help.

    Attributes:
        index: The class.
        train_count: Its training images: as many again are assumed.
        valid_count: Its validation images.
        accuracy: Fraction of these that is recognized, 0..1.
        gain: By how much that fraction is expected to rise.
        interval: 95 % interval of the gain.
    """

    index: int
    train_count: int
    valid_count: int
    accuracy: float
    gain: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """What more photos would bring.

    Attributes:
        curve: With a quarter, half and all of the training images, and with twice as many; empty if nothing is known.
        wanted: The classes where more photos would help most, at most 10, the largest gain first.
        remark: Why nothing is known, or why no class is named; else empty.
    """

    curve: tuple[CurvePoint, ...] = ()
    wanted: tuple[WantedClass, ...] = ()
    remark: str = ""

    def to_json(self, classes: Sequence[str]) -> dict[str, Any]:
        """Everything as a JSON object: `curve`, a list of points; `advice`, see there; and `remark`."""
        return {"curve": [asdict(point) for point in self.curve], "advice": self.advice(classes), "remark": self.remark}

    def advice(self, classes: Sequence[str]) -> list[dict[str, Any]]:
        """Each wanted class as a JSON object.

        Args:
            classes: Names of the classes.

        Returns:
            `label`; `sentence`; `images`, how many photos to collect; `gain`, by how much the fraction of its images
            that is recognized is expected to rise, and `interval`, the 95 % interval of that.
        """
        return [
            {
                "label": classes[wanted.index],
                "sentence": _sentence(wanted),
                "images": wanted.train_count,
                "gain": wanted.gain,
                "interval": list(wanted.interval),
            }
            for wanted in self.wanted
        ]


def what_to_collect(
    features: npt.NDArray[np.floating[Any]],
    targets: Targets,
    *,
    class_count: int,
    is_train: BoolArray,
    is_valid: BoolArray,
    predicted: Targets | None = None,
    seed: int = 0,
) -> Collecting:
    """Measure how accuracy depends on the number of training images, and predict what more of them would bring.

    Linear heads learn parts of the training images, and are asked about the validation images. Near duplicates stay
    together, so that a part has fewer scenes, not only fewer photos of each. By how much the error falls when the
    images of some classes are doubled, from half of them to all, is measured for all classes together; the next
    doubling is assumed to lower it by the same fraction (a power law: Hestness et al. 2017, arXiv:1712.00409), or by
    less, if that fraction was less from half to all than from a quarter to half of the images of all classes. The gain
    of a class is this fraction of its error. The error of a class with few validation images is drawn towards the
    mean of all (a beta prior). The curve of a single class says nothing with a handful of images:
    `tests/benchmarks/collecting.py` compares both, and what was predicted with what came true.

    Accuracy is the fraction of the labels of validation images that are recognized. For several labels an image, heads
    recognize a label if the image is among the M most probable ones for it, and M images have it. The curve is that of
    heads on frozen features: a network that is trained as a whole is better.

    A class gains more than all classes together would: with more images it is also predicted more often, at the cost of
    others.

    Of more than 20,000 training images a random part is divided. Memory: 1.5 KB an image, and 20,000 x K x 6 bytes.

    Args:
        features: [N, C], by one frozen network.
        targets: int64 [N] indices of the labels, or for multilabel float32 [N, K] of 0 and 1.
        class_count: K.
        is_train: bool [N], the training images.
        is_valid: bool [N], the validation images.
        predicted: As `targets`, what a trained network says of the validation images: the errors of classes are then
            its own. None: those of the heads.
        seed: Of the parts, and of the training of the heads.
    """
    known = np.flatnonzero(np.array([np.isfinite(row).all() for row in features], dtype=np.bool_))
    random = np.random.default_rng(seed)
    train, valid = known[is_train[known]], known[is_valid[known]]
    if len(valid) < _FEWEST_VALID or len(train) < _FEWEST_TRAIN:
        return Collecting(remark=_too_few(len(valid), len(train)))
    valid = np.sort(random.permutation(valid)[:_MOST_VALID])
    with one_thread():
        found = np.asarray(features[known])
        images = Labelled(
            units=whiten(found),
            targets=targets[known],
            is_train=is_train[known],
            folds=np.zeros(len(known), dtype=np.int64),
            class_count=class_count,
        )
        study = LearningCurve.of(
            images, found, train=np.searchsorted(known, train), valid=np.searchsorted(known, valid), seed=seed
        )
        if len(study.labels.classes) < _FEWEST_VALID:
            return Collecting(remark=_too_few(len(study.labels.classes), len(train)))
        measured = study.measure(seed=seed)
    prediction = _Prediction.of(study, measured, random)
    if not prediction.photos_help:
        return Collecting(curve=prediction.curve(), remark=_NO_GAIN)
    recognized = measured.now.mean(axis=0) if predicted is None else study.labels.among(predicted[valid])
    wanted = prediction.wanted(recognized, random)[:MOST_CLASSES]
    return Collecting(curve=prediction.curve(), wanted=tuple(wanted), remark="" if wanted else _NO_CLASS)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prediction:
    """What follows from a learning curve: one estimate, and those of resampled images and rounds."""

    study: LearningCurve
    measured: Measured
    estimate: _Estimate
    resampled: Sequence[_Estimate]

    @classmethod
    def of(cls, study: LearningCurve, measured: Measured, random: np.random.Generator) -> _Prediction:
        labels, rounds = study.labels, len(measured.half)
        groups, members = np.unique(labels.groups, return_inverse=True)
        evenly = np.full(len(groups), 1 / len(groups))
        resampled = [
            _Estimate.of(
                measured, random.multinomial(len(groups), evenly)[members], random.integers(rounds, size=rounds)
            )
            for _ in range(_RESAMPLES)
        ]
        estimate = _Estimate.of(measured, np.ones(len(labels.classes)), np.arange(rounds))
        return cls(study=study, measured=measured, estimate=estimate, resampled=resampled)

    @property
    def photos_help(self) -> bool:
        """Whether it is sure that more images help.

        With more of its images than before, a class is also predicted more often, at the cost of others: so all classes
        together must gain, too.
        """
        falls = [min(_fall(each.half, each.whole), each.own_fall) for each in self.resampled]
        return bool(np.percentile(falls, _INTERVAL[0]) > 0)

    def curve(self) -> tuple[CurvePoint, ...]:
        """The points that were measured, and the one that is predicted."""
        total, divided = len(self.study.train), len(self.study.parts.positions)
        points = []
        for name, images in (
            ("quarter", round(divided / 4)),
            ("half", round(divided / 2)),
            *((("whole", divided),) if divided < total else ()),
            ("now", total),
            ("doubled", 2 * total),
        ):
            low, high = np.percentile([1 - getattr(each, name) for each in self.resampled], _INTERVAL).tolist()
            points.append(
                CurvePoint(
                    images=images,
                    accuracy=1 - getattr(self.estimate, name),
                    interval=(low, high),
                    is_predicted=name == "doubled",
                )
            )
        return tuple(points)

    def wanted(self, recognized: FloatArray, random: np.random.Generator) -> list[WantedClass]:
        """The classes that are recognized less often than the mean, the largest gain first.

        Args:
            recognized: float32 [P], which of the labels are, 0 to 1.
            random: Of the intervals.
        """
        classes, counts = self.study.labels.classes, self.study.labels.counts
        mean = 1 - float(recognized.mean())
        wrong = np.bincount(classes, 1 - recognized, minlength=len(counts))
        prior = _prior_strength(wrong, counts) * np.array([mean, 1 - mean]) + 1e-6
        own_falls = np.array([each.own_fall for each in self.resampled])
        train_counts = self.study.train_counts
        found = []
        for index in np.flatnonzero(counts >= _FEWEST_OF_A_CLASS).tolist():
            yes, no = wrong[index] + prior[0], counts[index] - wrong[index] + prior[1]
            error = yes / (yes + no)
            low, high = np.percentile(random.beta(yes, no, size=_RESAMPLES) * own_falls, _INTERVAL).tolist()
            if error > mean and error * self.estimate.own_fall >= _LEAST_GAIN:
                found.append(
                    WantedClass(
                        index=index,
                        train_count=int(train_counts[index]),
                        valid_count=int(counts[index]),
                        accuracy=float(1 - wrong[index] / counts[index]),
                        gain=float(error * self.estimate.own_fall),
                        interval=(max(0.0, low), high),
                    )
                )
        return sorted(found, key=lambda wanted: (-wanted.gain, wanted.train_count, wanted.index))


@dataclass(frozen=True, kw_only=True)
class _Estimate:
    """Errors, 0..1, and by which fraction the error of a class falls when its images are doubled."""

    quarter: float
    half: float
    whole: float
    now: float
    doubled: float
    own_fall: float

    @classmethod
    def of(cls, measured: Measured, weights: npt.NDArray[Any], rounds: IntArray) -> _Estimate:
        """From some of the rounds, with a weight for each label."""

        def error(found: FloatArray) -> float:
            known = np.isfinite(found) * weights
            return float((np.where(np.isfinite(found), 1 - found, 0) * weights).sum() / max(known.sum(), 1))

        quarter, half, whole, halved = (
            error(getattr(measured, name)[rounds]) for name in ("quarter", "half", "whole", "halved")
        )
        comparable = error(np.where(np.isfinite(measured.halved[rounds]), measured.whole[rounds], np.nan))
        now = error(measured.now[rounds])
        fall, own_fall = _fall(half, whole), _fall(halved, comparable)
        slowing = float(np.clip(fall / max(_fall(quarter, half), 1e-6), *_SLOWING))
        return cls(
            quarter=quarter,
            half=half,
            whole=whole,
            now=now,
            doubled=now * (1 - max(0.0, fall * slowing)),
            own_fall=own_fall * slowing,
        )


def _fall(before: float, after: float) -> float:
    """By which fraction an error fell."""
    return 1 - after / before if before > 0 else 0.0


def _prior_strength(wrong: npt.NDArray[Any], counts: IntArray) -> float:
    """How many images the mean of all classes counts as: of a beta-binomial distribution, by its moments."""
    has = counts > 0
    mean = wrong.sum() / counts.sum()
    errors, sizes = wrong[has] / counts[has], counts[has]
    expected = mean * (1 - mean)
    spread = (sizes * (errors - mean) ** 2).sum() / max(1, has.sum() - 1)
    excess = (spread - expected) / max(sizes.mean() - 1, 1e-9)
    least, most = _PRIOR
    return float(np.clip(expected / excess - 1, least, most)) if excess > 0 else most


def _sentence(wanted: WantedClass) -> str:
    recognized = round(wanted.accuracy * wanted.valid_count)
    low, high = (100 * bound for bound in wanted.interval)
    photos = f"{wanted.train_count:,} more photos" if wanted.train_count > 1 else "one more photo"
    return (
        f"Recognized: {recognized:,} of its {wanted.valid_count:,} validation images. With {photos} of other scenes: "
        f"about {100 * wanted.gain:.0f} more of 100 ({low:.0f} to {high:.0f})."
    )


def _too_few(valid: int, train: int) -> str:
    if valid < _FEWEST_VALID:
        return f"There are {valid:,} validation images with labels; {_FEWEST_VALID} are needed to say what would help."
    return f"There are {train:,} training images; {_FEWEST_TRAIN} are needed to say what more would bring."
