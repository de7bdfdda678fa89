"""A model file that says how strange an image is, with the threshold above which it does not answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sklearn_metrics

from service.bundle import OodSpec
from service.pixels import UInt8Array
from service.tasks import TASKS as SERVED
from trainer.abstention.ood import (
    FALSE_ALARMS,
    FEWEST_IMAGES,
    METHODS,
    NetworkOutputs,
    fit_ood,
    label_groups,
    ood_threshold,
    with_entropy,
)
from trainer.abstention.strange import strange_images
from trainer.data import PixelSource
from trainer.export.draft import ModelDraft
from trainer.export.exportable import Exportable
from trainer.export.ood_graph import NoScore, append_ood, embedder
from trainer.progress import Progress
from trainer.training.tasks import TASKS as TRAINED

_BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class StrangerScore:
    """What was found for a model file.

    Attributes:
        draft: The file, with the output `ood` if a threshold could be set.
        report: What metrics.json says about it.
        reason: Why there is no threshold; empty if there is one.
        certainty: float64 [M], how certain the file is of each image that is drawn; [0] without a threshold.
    """

    draft: ModelDraft
    report: dict[str, Any]
    reason: str = ""
    certainty: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def score_strangers(draft: ModelDraft, trained: Exportable, *, threads: int, progress: Progress) -> StrangerScore:
    """Add the output `ood` to a model file, and choose its threshold.

    Strange is what is unlike the training images. The threshold is set on the images to calibrate on, which the network
    was not trained on.

    Args:
        draft: The file.
        trained: Its images.
        threads: Number of images that are processed at the same time.
        progress: Shows the stage.
    """
    known = trained.calibration_set.images
    try:
        if len(known) < FEWEST_IMAGES:
            raise NoScore(
                f"that needs {FEWEST_IMAGES} images that the network was not trained on, and there are {len(known)}"
            )
        embed, learned = embedder(draft.data), trained.learned()
        if not len(learned.pixels):
            raise NoScore("no training image can be read any more")
    except NoScore as error:
        return StrangerScore(draft=draft, report={"reason": str(error), "images": len(known)}, reason=str(error))
    progress.start("strange images", len(learned.pixels) + len(known))
    outputs = _outputs(embed, learned.pixels, threads=threads, progress=progress)
    statistics = fit_ood(outputs.features, label_groups(learned.targets))
    outputs = _outputs(embed, known, threads=threads, progress=progress)
    if trained.catalog.task == "classification":
        statistics = with_entropy(statistics, outputs)
    scores = statistics.scores(outputs)
    threshold = ood_threshold(scores)
    assert threshold is not None  # there are enough images
    spec = OodSpec(
        method=METHODS[trained.catalog.task], threshold=threshold, false_alarms=FALSE_ALARMS, images=len(known)
    )
    outputs = _joined([embed(image[np.newaxis]) for image in strange_images(trained.pixels.size)])
    drawn = statistics.scores(outputs)
    probabilities = TRAINED[trained.catalog.task].activate(outputs.logits.astype(np.float64))
    certainty = SERVED[trained.catalog.task].certainty(probabilities, draft.calibration.thresholds).astype(np.float64)
    area = sklearn_metrics.roc_auc_score(np.repeat([0, 1], [len(scores), len(drawn)]), np.concatenate([scores, drawn]))
    return StrangerScore(
        draft=dataclasses.replace(draft, data=append_ood(draft.data, statistics), ood=spec),
        report={
            **dataclasses.asdict(spec),
            "drawn": {"images": len(drawn), "rejected": float((drawn > threshold).mean()), "auc": float(area)},
        },
        certainty=certainty,
    )


def _outputs(
    embed: Callable[[UInt8Array], NetworkOutputs], images: PixelSource, *, threads: int, progress: Progress
) -> NetworkOutputs:
    images.prefetch(range(len(images)))
    found: list[NetworkOutputs] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="strangers") as pool:
        for start in range(0, len(images), _BATCH):
            batch = images.batch(np.arange(start, min(start + _BATCH, len(images))))
            found += pool.map(lambda image: embed(image[np.newaxis]), batch)
            progress.advance(len(batch))
    return _joined(found)


def _joined(parts: Sequence[NetworkOutputs]) -> NetworkOutputs:
    return NetworkOutputs(
        features=np.concatenate([part.features for part in parts]),
        logits=np.concatenate([part.logits for part in parts]),
    )
