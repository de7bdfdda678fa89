"""A model file that is still to be judged, and what a predictor needs to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from service.bundle import Bundle, ModelSpec, Spec
from service.bundle.manifest import Manifest
from service.predictor import Predictor
from trainer.export.exportable import Exportable
from trainer.export.limits_of_use import limits_of_use
from trainer.training.calibration import Calibration


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelDraft:
    """A model file.

    Attributes:
        data: Its bytes.
        calibration: Its temperature, which is in the graph, and its thresholds.
        head: float32 [K, C]; None if it has no features.
    """

    data: bytes
    calibration: Calibration
    head: npt.NDArray[np.float32] | None


def spec_of(trained: Exportable, calibrations: Mapping[str, Calibration]) -> Spec:
    """Return the spec of a bundle with these model files."""
    catalog, recipe = trained.catalog, trained.recipe
    return Spec(
        task=catalog.task,
        classes=catalog.classes,
        pixels=trained.pixels,
        models={
            name: ModelSpec(temperature=found.temperature, thresholds=found.thresholds)
            for name, found in calibrations.items()
        },
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
