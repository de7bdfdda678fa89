"""Does the network give nearly everything the same answer?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trainer.catalog import first_few
from trainer.diagnosis.commands import Commands
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.judged import Predictions

_LEAST_IMAGES = 8
_NEARLY_ALL = 0.9
_FEW_SHARE = 4
_HARDLY_EVER = 0.1


def prediction_collapse(
    valid: Predictions,
    train_counts: Mapping[str, int],
    *,
    classes: Sequence[str],
    commands: Commands,
    rate_command: str,
) -> Finding | None:
    """One class, or at most a quarter of them, takes nine tenths of the answers, and the others are hardly ever found.

    Every class that the validation images hold counts alike, however frequent it is: who calls everything by the name
    of a class that is frequent has collapsed too, right as most answers may be. Classification only.

    train_counts  class -> number of training images
    rate_command  what to try where their numbers are not the reason
    """
    answers = valid.probabilities.argmax(axis=1)
    present = np.unique(valid.targets)
    shares = _answer_shares(answers, valid.targets, class_count=len(classes))
    order = np.argsort(-shares, kind="stable")
    count = int(np.searchsorted(np.cumsum(shares[order]), _NEARLY_ALL - 1e-9)) + 1
    favoured = order[:count]
    others = np.setdiff1d(present, favoured)
    recall = float(np.mean([(answers[valid.targets == k] == k).mean() for k in others])) if len(others) else 1.0
    few = count <= max(1, len(present) // _FEW_SHARE) and len(present) > 1
    if len(answers) < _LEAST_IMAGES or not few or recall >= _HARDLY_EVER:
        return None
    names = [classes[k] for k in favoured]
    taken = float(np.isin(answers, favoured).mean())
    return Finding(
        name="prediction-collapse",
        confidence="high" if recall == 0 else "medium",
        summary=f"{100 * taken:.0f} % of the validation images are called {first_few([repr(name) for name in names])}, "
        f"whatever they are; the other {len(others)} classes are hardly ever found.",
        evidence={
            "favoured_classes": names,
            "share_of_answers": taken,
            "classes_among_validation_images": len(present),
            "recall_of_the_others": recall,
        },
        command=commands.fit("--balance", "sampler")
        if commands.recipe.balance == "none" and _unequal(train_counts.values())
        else rate_command,
    )


def _answer_shares(
    answers: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], *, class_count: int
) -> npt.NDArray[np.float64]:
    """Share of each class among the answers, [K], were every class of the targets as frequent as the others."""
    counts = np.bincount(targets, minlength=class_count)
    return np.asarray(np.bincount(answers, 1 / counts[targets], class_count) / (counts > 0).sum())


def _unequal(counts: Collection[int]) -> bool:
    return max(counts) >= 3 * min(counts)
