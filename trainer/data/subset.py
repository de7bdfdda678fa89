"""Which training images are measured after every epoch, as validation images are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trainer.catalog import Row

# Measuring an image costs about a third of training on it: an eighth of the images adds a few percent to an epoch.
_LEAST, _MOST, _ONE_OF = 64, 512, 8


def choose_subset(rows: Sequence[Row], *, seed: int) -> npt.NDArray[np.int64]:
    """Positions of an eighth of the training rows, but at least 64 (or all) and at most 512; rising, stratified.

    Systematic sampling from the rows in the order of their labels, shuffled within them: every class gives its share,
    rounded up or down. The same rows and seed give the same subset on every machine.
    """
    count = min(len(rows), _MOST, max(_LEAST, len(rows) // _ONE_OF))
    shuffled = np.random.default_rng(seed).permutation(len(rows))
    order = np.array(sorted(shuffled, key=lambda position: sorted(rows[position].labels)), dtype=np.int64)
    return np.sort(order[(2 * np.arange(count) + 1) * len(rows) // (2 * max(1, count))])
