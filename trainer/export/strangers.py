"""A model file that says how strange an image is, with the threshold above which it does not answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from service.bundle import OodSpec
from service.pixels import UInt8Array
from trainer.abstention.ood import (
    FALSE_ALARMS,
    FEWEST_IMAGES,
    METHOD,
    OodStatistics,
    fit_ood,
    label_groups,
    ood_threshold,
)
from trainer.abstention.strange import strange_images
from trainer.data import PixelSource
from trainer.export.draft import ModelDraft
from trainer.export.exportable import LearnedImages
from trainer.export.ood_graph import NoFeatures, append_ood, embedder
from trainer.progress import Progress

_BATCH = 16
_FEWEST_LEARNED = 2

Features = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class StrangerScore:
    """What was found.

    Attributes:
        draft: The model file, with the output `ood` if there is a threshold.
        spec: None if there is none.
        report: What metrics.json says about it.
    """

    draft: ModelDraft
    spec: OodSpec | None
    report: dict[str, Any]


def score_strangers(
    draft: ModelDraft, learned: LearnedImages, known: PixelSource, *, threads: int, progress: Progress
) -> StrangerScore:
    """Add the output `ood` to a model file, and choose its threshold.

    Args:
        draft: The file.
        learned: Training images: strange is what is unlike them.
        known: Other images of the same classes, which the network was not trained on; the threshold is set on them.
        threads: Number of images that are processed at the same time.
        progress: Shows the stage, and why there is no threshold.
    """
    reason = _why_not(len(learned.pixels), len(known))
    try:
        embed = embedder(draft.data)
    except NoFeatures as error:
        reason = reason or str(error)
    if reason:
        progress.info(f"strange images are not recognized: {reason}")
        return StrangerScore(draft=draft, spec=None, report={"reason": reason, "images": len(known)})
    progress.start("strange images", len(learned.pixels) + len(known))
    statistics = fit_ood(
        _features(embed, learned.pixels, threads=threads, progress=progress), label_groups(learned.targets)
    )
    scores = statistics.scores(_features(embed, known, threads=threads, progress=progress))
    threshold = ood_threshold(scores)
    assert threshold is not None  # there are enough images
    spec = OodSpec(method=METHOD, threshold=threshold, false_alarms=FALSE_ALARMS, images=len(known))
    drawn = _drawn_scores(embed, statistics, size=known.batch(np.array([0])).shape[1])
    return StrangerScore(
        draft=dataclasses.replace(draft, data=append_ood(draft.data, statistics)),
        spec=spec,
        report={
            **dataclasses.asdict(spec),
            "drawn": {
                "images": len(drawn),
                "rejected": float((drawn > threshold).mean()),
                "auc": float(
                    sklearn_metrics.roc_auc_score(
                        np.repeat([0, 1], [len(scores), len(drawn)]), np.concatenate([scores, drawn])
                    )
                ),
            },
        },
    )


def _why_not(learned_count: int, known_count: int) -> str:
    """Why no threshold can be set; empty if one can."""
    if known_count < FEWEST_IMAGES:
        return f"that needs {FEWEST_IMAGES} images that the network was not trained on, and there are {known_count}"
    if learned_count < _FEWEST_LEARNED:
        return "no training image can be read any more"
    return ""


def _features(
    embed: Callable[[UInt8Array], Features], images: PixelSource, *, threads: int, progress: Progress
) -> Features:
    images.prefetch(range(len(images)))
    found: list[Features] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="strangers") as pool:
        for start in range(0, len(images), _BATCH):
            batch = images.batch(np.arange(start, min(start + _BATCH, len(images))))
            found += pool.map(lambda image: embed(image[np.newaxis]), batch)
            progress.advance(len(batch))
    return np.concatenate(found)


def _drawn_scores(
    embed: Callable[[UInt8Array], Features], statistics: OodStatistics, *, size: int
) -> npt.NDArray[np.float64]:
    images = strange_images(size)
    return statistics.scores(np.concatenate([embed(image[np.newaxis]) for image in images]))
