"""Which training images are measured after every epoch, as validation images are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.catalog import Row, hold_out

# Measuring an image costs about a third of training on it: an eighth of the images adds a few percent to an epoch.
_LEAST, _MOST, _ONE_OF = 64, 512, 8


def choose_subset(rows: Sequence[Row], *, seed: int) -> npt.NDArray[np.int64]:
    """Positions of an eighth of the training rows, but at least 64 (or all) and at most 512; rising, stratified.

    The same rows and seed give the same subset on every machine, as `hold_out` says, which draws it.
    """
    count = min(_MOST, max(_LEAST, len(rows) // _ONE_OF))
    if count >= len(rows):
        return np.arange(len(rows), dtype=np.int64)
    paths, labels = [row.path for row in rows], [row.labels for row in rows]
    return np.flatnonzero(hold_out(paths, labels, share=count / len(rows), seed=seed)).astype(np.int64)
