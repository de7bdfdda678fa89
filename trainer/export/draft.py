"""A model file that is still to be judged, and what a predictor needs to run it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from service.bundle import Bundle, ModelSpec, OodSpec, Spec
from service.bundle.manifest import Manifest
from service.predictor import Predictor
from trainer.abstention.limits import Limits
from trainer.data import PixelSource
from trainer.export.exportable import Exportable
from trainer.export.limits_of_use import limits_of_use
from trainer.training.calibration import Calibration

_BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelDraft:
    """A model file.

    Attributes:
        data: Its bytes.
        calibration: Its temperature, which is in the graph, and its thresholds.
        head: float32 [K, C]; None if it has no features.
        limits: When it does not answer, and its sets.
        ood: From which score on an image is strange; None if it has no score.
    """

    data: bytes
    calibration: Calibration
    head: npt.NDArray[np.float32] | None
    limits: Limits = field(default_factory=Limits)
    ood: OodSpec | None = None

    @property
    def spec(self) -> ModelSpec:
        """What spec.json says of it."""
        return ModelSpec(
            temperature=self.calibration.temperature,
            thresholds=self.calibration.thresholds,
            abstain=self.limits.abstain,
            set=self.limits.set,
            ood=self.ood,
        )


def spec_of(trained: Exportable, drafts: Mapping[str, ModelDraft]) -> Spec:
    """Return the spec of a bundle with these model files."""
    catalog, recipe = trained.catalog, trained.recipe
    return Spec(
        task=catalog.task,
        classes=catalog.classes,
        pixels=trained.pixels,
        models={name: draft.spec for name, draft in drafts.items()},
        golden="validation" if recipe.golden == "validation" else "synthetic",
        groups=tuple(catalog.coarse_labels[index] for index in catalog.coarse_indices),
        limits_of_use=limits_of_use(
            recipe.limits_of_use,
            catalog.task,
            tested=bool(catalog.split("valid")),
            same_collection=recipe.data.drawn,
        ),
    )


def draft_predictor(spec: Spec, draft: ModelDraft, *, model_file: str) -> Predictor:
    """Run a model file without a bundle: its golden images and metrics are still to be made.

    Raises:
        BundleRefused: onnxruntime does not accept it, or it does not have the inputs and outputs of the format.
    """
    bundle = Bundle(
        manifest=Manifest(name="draft", version="0", created="", producer={}, files={}),
        digest="",
        spec=spec,
        models={model_file: draft.data},
        left_aside={},
        head=draft.head,
        golden=(),
        metrics={},
        card="",
    )
    return Predictor(bundle, model_file=model_file)


def predict_images(
    predictor: Predictor, images: PixelSource, *, threads: int, mirrored: bool = False
) -> npt.NDArray[np.float32]:
    """Predict decoded images, one by one as the service does.

    Args:
        predictor: A model file.
        images: N images, decoded with its pixels.
        threads: Number of images that are predicted at the same time.
        mirrored: Whether their mirror images are predicted, too.

    Returns:
        Probabilities, float32 [N, K], or [2 N, K] with those of the mirror images at the end.
    """
    images.prefetch(range(len(images)))
    found = [np.empty((0, len(predictor.spec.classes)), dtype=np.float32)]
    of_mirrored: list[npt.NDArray[np.float32]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="predict") as pool:
        for start in range(0, len(images), _BATCH):
            batch = images.batch(np.arange(start, min(start + _BATCH, len(images))))
            found += pool.map(lambda image: predictor.probabilities(image[np.newaxis]), batch)
            if mirrored:
                flipped = np.ascontiguousarray(batch[:, :, ::-1])
                of_mirrored += pool.map(lambda image: predictor.probabilities(image[np.newaxis]), flipped)
    return np.concatenate([*found, *of_mirrored])
