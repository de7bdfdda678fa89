"""A bundle in memory that is not finished: what a predictor needs to run a model file that is still to be judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from service.bundle import Bundle, Spec
from service.bundle.manifest import Manifest


def draft_bundle(spec: Spec, models: Mapping[str, bytes], head: npt.NDArray[np.float32] | None) -> Bundle:
    """Make a bundle without golden images and metrics: a predictor over it is needed to make them.

    Args:
        spec: Has an entry for each model file.
        models: Model file -> its bytes.
        head: float32 [K, C]; None if the models have no features.
    """
    return Bundle(
        manifest=Manifest(name="draft", version="0", created="", producer={}, files={}),
        digest="",
        spec=spec,
        models=models,
        left_aside={},
        head=head,
        golden=(),
        metrics={},
        card="",
    )
