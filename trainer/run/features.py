"""RUN/features.npy: what the frozen backbone makes of every image of RUN/catalog.csv, for finding wrong labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from trainer.atomic import atomic_open_bytes
from trainer.errors import RunError
from trainer.recipe import Recipe
from trainer.run.folder import RunFolder

if TYPE_CHECKING:  # torch is needed only where features are computed
    from trainer.data import Prepared
    from trainer.model import Backbone
    from trainer.run.environment import Environment

Features = npt.NDArray[np.float16]


def write_features(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, environment: Environment
) -> None:
    """Write features.npy, completely or not at all: float16 [N, C], in the order of catalog.csv.

    An image of the test split that cannot be decoded has a row of NaN. Nothing is done on processes that are not the
    main one; if the file is there; or if the backbone is not as it was before training (random, or already trained).
    """
    if environment.distributed.is_main and backbone.pretrained and not run.features.exists() and not run.last.exists():
        compute_features(run, recipe, backbone, prepared, environment)


def compute_features(
    run: RunFolder, recipe: Recipe, backbone: Backbone, prepared: Prepared, environment: Environment
) -> None:
    """Do that, whatever is there. The backbone must be as it was before training."""
    from trainer.data.prepare import decode
    from trainer.diagnosis import FeatureNetwork

    catalog, data, pixels, progress = prepared.catalog, prepared.data, backbone.pixels, environment.progress
    tests = catalog.split("test")
    test = decode(catalog, tests, pixels, decoding=environment.decoding)
    decoded = [position for position in range(len(tests)) if position not in test.errors]
    progress.start("features of each image", len(data.train) + len(data.valid) + len(decoded))
    network = FeatureNetwork(environment.device, backbone=backbone, precision=recipe.precision, progress=progress)
    features = np.full((len(catalog.rows), backbone.embedding_dim), np.nan, dtype=np.float16)
    splits = np.array([row.split for row in catalog.rows])
    features[splits == "train"] = network.embed_whole(data.train, pixels, size=pixels.size)
    features[splits == "valid"] = network.embed_decoded(data.valid, pixels, size=pixels.size)
    features[np.flatnonzero(splits == "test")[decoded]] = network.embed_decoded(
        test.select(decoded), pixels, size=pixels.size
    )
    with atomic_open_bytes(run.features) as file:
        np.save(file, features, allow_pickle=False)


def read_features(run: RunFolder, *, count: int) -> Features | None:
    """Read features.npy.

    Args:
        run: RUN.
        count: Number of rows of its catalog.csv.

    Returns:
        float16 [N, C], read from the disk as it is needed; None if the run has none.

    Raises:
        RunError: It is not the file of this catalog, or not such a file.
    """
    try:
        features: Features = np.load(run.features, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        return None
    except (ValueError, EOFError) as error:
        raise RunError(f"{run.features} is damaged ({error}); remove it") from error
    if features.dtype != np.float16 or features.ndim != 2 or len(features) != count:
        raise RunError(
            f"{run.features} has {features.dtype} {list(features.shape)}, but {run.catalog} has {count:,} images; "
            "remove it, or restore the catalog that the run wrote"
        )
    return features
