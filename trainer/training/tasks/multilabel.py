"""Any number of labels for each image. Targets: float32 [N, K] of 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics
from torch import Tensor
from torch.nn import functional as F

from trainer.training.tasks.numbers import FloatArray, clipped, entropy_terms


class Multilabel:
    """The methods are those of `Classification`.

    Attributes:
        primary_metric: The metric that decides which epoch is the best.
    """

    primary_metric = "mean_average_precision"

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float, reduction: str) -> Tensor:  # noqa: ARG002
        """Binary cross-entropy over all classes; it has no label smoothing."""
        return F.binary_cross_entropy_with_logits(logits, targets, reduction=reduction)

    def soft_targets(self, targets: Tensor, _class_count: int) -> Tensor:
        """Targets that can be mixed: float32 [B, K]."""
        return targets

    def image_weights(self, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Weigh the images so that all classes count the same, in any scale: [N].

        An image with several labels counts as its rarest one, as in repeat-factor sampling (Gupta et al. 2019,
        arXiv:1908.03195). Images without a label are a class of their own.
        """
        has_label = np.concatenate([targets > 0, ~(targets > 0).any(axis=1, keepdims=True)], axis=1)
        return np.asarray((has_label / np.maximum(1, has_label.sum(axis=0))).max(axis=1))

    def activate(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Sigmoid: [N, K] -> [N, K]."""
        return np.exp(-np.logaddexp(0, -logits))

    def logits_of(self, probabilities: FloatArray) -> npt.NDArray[np.float64]:
        """Logits with these probabilities."""
        values = clipped(probabilities)
        return np.log(values) - np.log1p(-values)

    def log_normalizers(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The part of the cross-entropy that does not depend on the targets: [N, K]."""
        return np.logaddexp(0, logits)

    def softened(self, targets: npt.NDArray[Any], _class_count: int) -> npt.NDArray[np.float64]:
        """How much each image counts as each class: float64 [N, K]; see `best_temperature`."""
        positive = targets > 0
        ones, zeros = positive.sum(), (~positive).sum()
        return np.asarray(np.where(positive, (ones + 1) / (ones + 2), 1 / (zeros + 2)))

    def best_thresholds(self, probabilities: FloatArray, targets: npt.NDArray[Any]) -> tuple[float, ...]:
        """Find the threshold of each class with the best F1 on these images: [N, K], [N, K] -> K numbers.

        Each lies halfway between two neighbouring probabilities, so that a difference in the last digits changes
        nothing. Of equally good ones the nearest to 0.5 is chosen. A class without a positive image gets 0.5.
        """
        result = np.full(probabilities.shape[1], 0.5)
        for k in np.flatnonzero((targets > 0).any(axis=0)):
            order = np.argsort(-probabilities[:, k], kind="stable")
            values = probabilities[order, k].astype(np.float64)
            hits = np.cumsum(targets[order, k] > 0)
            f1 = 2 * hits / (np.arange(1, len(values) + 1) + hits[-1])
            below = np.append(values[1:], 0.0)
            possible = values > below  # a threshold cannot separate equal probabilities
            possible[-1] = True
            best = possible & (f1 >= f1[possible].max() - 1e-12)
            midpoints = ((values + below) / 2)[best]
            result[k] = midpoints[np.abs(midpoints - 0.5).argmin()]
        return tuple(result.tolist())

    def metrics(
        self,
        probabilities: FloatArray,
        targets: npt.NDArray[Any],
        thresholds: Sequence[float] | None,
        _coarse_indices: npt.NDArray[np.int64] | None,
    ) -> dict[str, float]:
        """See `compute_metrics`."""
        is_true = targets > 0
        limits = np.full(probabilities.shape[1], 0.5) if thresholds is None else thresholds
        present = np.flatnonzero(is_true.any(axis=0))
        # A single column would be taken for two classes.
        padded = [np.pad(labels, ((0, 0), (0, 1))) for labels in (is_true, self.predicted(probabilities, limits))]
        f1 = {
            f"{average}_f1": float(
                sklearn_metrics.f1_score(*padded, labels=present, average=average, zero_division=0)
                if len(present)
                else 0.0
            )
            for average in ("micro", "macro")
        }
        precision = [sklearn_metrics.average_precision_score(is_true[:, k], probabilities[:, k]) for k in present]
        return {
            **f1,
            "mean_average_precision": float(np.mean(precision)) if precision else 0.0,
            "loss": float(_cross_entropies(probabilities, is_true).mean()),
        }

    def losses(self, probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Mean binary cross-entropy of each image over the classes: [N]."""
        return np.asarray(_cross_entropies(probabilities, targets > 0).mean(axis=1))

    def brier_scores(self, probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Mean over the classes of the squared error of each probability (Brier 1950), from 0 to 1: [N]."""
        return np.asarray(np.square(probabilities.astype(np.float64) - (targets > 0)).mean(axis=1))

    def claims(
        self, probabilities: FloatArray, targets: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The probability of each label of each image, and whether the image has it: [N, K] twice."""
        return probabilities.astype(np.float64), targets > 0

    def chance_loss(self, targets: npt.NDArray[Any]) -> float:
        """Mean loss of the best prediction that is the same for every image."""
        frequencies = (targets > 0).mean(axis=0)
        return float((entropy_terms(frequencies) + entropy_terms(1 - frequencies)).mean())

    def predicted(self, probabilities: FloatArray, thresholds: Sequence[float] | FloatArray) -> npt.NDArray[np.bool_]:
        """Which classes are predicted for which images: bool [N, K]."""
        return np.asarray(probabilities >= np.asarray(thresholds))

    def correct(
        self, probabilities: FloatArray, targets: npt.NDArray[Any], thresholds: Sequence[float]
    ) -> npt.NDArray[np.bool_]:
        """Which images get exactly the right labels: bool [N]."""
        return np.asarray((self.predicted(probabilities, thresholds) == (targets > 0)).all(axis=1))

    def clear_flips(self, expected: FloatArray, _found: FloatArray, *, margin: float) -> npt.NDArray[np.bool_]:  # noqa: ARG002
        """None: no class is the best of an image. The probabilities alone are compared: [N]."""
        return np.zeros(len(expected), dtype=np.bool_)


def _cross_entropies(probabilities: FloatArray, is_true: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Binary cross-entropy of each image and class: [N, K]."""
    values = clipped(probabilities)
    return np.asarray(-np.where(is_true, np.log(values), np.log(1 - values)))
