"""One label for each image. Targets: int64 [N], the index of the class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special
from sklearn import metrics as sklearn_metrics
from torch import Tensor
from torch.nn import functional as F

from trainer.training.tasks.numbers import FloatArray, clipped, coarse_accuracy, entropy_terms


class Classification:
    """The methods are those of `Multilabel`.

    Attributes:
        primary_metric: The metric that decides which epoch is the best.
    """

    primary_metric = "accuracy"

    def loss(self, logits: Tensor, targets: Tensor, *, smoothing: float, reduction: str) -> Tensor:
        """Cross-entropy with label smoothing. Targets may be int64 [B], or float32 [B, K] of mixed images."""
        return F.cross_entropy(logits, targets, label_smoothing=smoothing, reduction=reduction)

    def soft_targets(self, targets: Tensor, class_count: int) -> Tensor:
        """Targets that can be mixed: float32 [B, K]."""
        return F.one_hot(targets, class_count).float()

    def image_weights(self, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Weigh the images so that all classes count the same, in any scale: [N]."""
        return np.asarray(1.0 / np.bincount(targets)[targets])

    def activate(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Softmax: [N, K] -> [N, K]."""
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def logits_of(self, probabilities: FloatArray) -> npt.NDArray[np.float64]:
        """Logits with these probabilities, which are known but for a number that is added to all of an image."""
        return np.log(clipped(probabilities))

    def log_normalizers(self, logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The part of the cross-entropy that does not depend on the targets: [N]."""
        return np.asarray(special.logsumexp(logits, axis=1))

    def softened(self, targets: npt.NDArray[Any], class_count: int) -> npt.NDArray[np.float64]:
        """How much each image counts as each class: float64 [N, K]; see `best_temperature`."""
        count = len(targets)
        own = (count + 1) / (count + 2) if class_count > 1 else 1.0
        softened = np.full((count, class_count), (1 - own) / max(1, class_count - 1))
        softened[np.arange(count), targets] = own
        return softened

    def best_thresholds(self, _probabilities: FloatArray, _targets: npt.NDArray[Any]) -> tuple[float, ...]:
        """None: the most probable class is the label."""
        return ()

    def metrics(
        self,
        probabilities: FloatArray,
        targets: npt.NDArray[Any],
        _thresholds: Sequence[float] | None,
        coarse_indices: npt.NDArray[np.int64] | None,
    ) -> dict[str, float]:
        """See `compute_metrics`."""
        predicted = probabilities.argmax(axis=1)
        present = np.unique(targets)
        f1 = sklearn_metrics.f1_score(targets, predicted, labels=present, average="macro", zero_division=0)
        metrics = {
            "accuracy": float(np.mean(predicted == targets)),
            "macro_f1": float(f1),
            "loss": float(self.losses(probabilities, targets).mean()),
        }
        if coarse_indices is not None and len(coarse_indices):
            metrics["coarse_accuracy"] = coarse_accuracy(probabilities, targets, coarse_indices)
        return metrics

    def losses(self, probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Cross-entropy of each image: [N]."""
        return np.asarray(-np.log(clipped(probabilities)[np.arange(len(targets)), targets]))

    def brier_scores(self, probabilities: FloatArray, targets: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Sum over the classes of the squared error of each probability (Brier 1950), from 0 to 2: [N]."""
        own = probabilities[np.arange(len(targets)), targets].astype(np.float64)
        return np.asarray(np.square(probabilities, dtype=np.float64).sum(axis=1) - 2 * own + 1)

    def claims(
        self, probabilities: FloatArray, targets: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """The best probability of each image, and whether its class is right: [N, 1] twice."""
        best = probabilities.max(axis=1, keepdims=True).astype(np.float64)
        return best, self.correct(probabilities, targets, ())[:, np.newaxis]

    def chance_loss(self, targets: npt.NDArray[Any]) -> float:
        """Mean loss of the best prediction that is the same for every image."""
        return float(entropy_terms(np.bincount(targets) / len(targets)).sum())

    def predicted(self, probabilities: FloatArray, _thresholds: Sequence[float]) -> npt.NDArray[np.bool_]:
        """Which classes are predicted for which images: bool [N, K]."""
        return np.asarray(np.arange(probabilities.shape[1]) == probabilities.argmax(axis=1)[:, np.newaxis])

    def correct(
        self, probabilities: FloatArray, targets: npt.NDArray[Any], _thresholds: Sequence[float]
    ) -> npt.NDArray[np.bool_]:
        """Which images are predicted correctly: bool [N]."""
        return np.asarray(probabilities.argmax(axis=1) == targets)

    def clear_flips(self, expected: FloatArray, found: FloatArray, *, margin: float) -> npt.NDArray[np.bool_]:
        """Whose best class is another one, although the best two of `expected` are more than `margin` apart: [N]."""
        best = np.sort(expected, axis=1)
        is_clear = best[:, -1] - best[:, -2] > margin
        return np.asarray((expected.argmax(axis=1) != found.argmax(axis=1)) & is_clear)
