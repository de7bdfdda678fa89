"""Random numbers that belong to a sample, not to a worker, a batch or a machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_GOLDEN_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniforms(samples: npt.NDArray[np.int64], count: int, *, seed: int, epoch: int) -> npt.NDArray[np.float32]:
    """`count` numbers in [0, 1) for each sample, a function of (seed, epoch, sample, column) alone.

    samples: int64 [B] -> float32 [B, count]. The finaliser of SplitMix64 (Steele, Lea and Flood 2014, "Fast
    splittable pseudorandom number generators") over a chain of the four integers.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64 is what is meant
        state = _mix(np.uint64(seed % 2**64) + _GOLDEN_GAMMA)
        state = _mix(state ^ _mix(np.uint64(epoch % 2**64) + _GOLDEN_GAMMA))
        rows = _mix(state ^ _mix(samples.astype(np.uint64) + _GOLDEN_GAMMA))
        cells = _mix(rows[:, np.newaxis] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN_GAMMA)
    return ((cells >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)).astype(np.float32)


def _mix(value: npt.NDArray[np.uint64] | np.uint64) -> npt.NDArray[np.uint64]:
    value = np.asarray(value, dtype=np.uint64)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)), dtype=np.uint64)
