"""Near duplicates by the features of a network: as the diagnosis of a run finds them, among all images of a check."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from service.pixels import UInt8Array
from trainer.checking.groups import members
from trainer.diagnosis import FeatureNetwork
from trainer.diagnosis.near_duplicates import near_duplicate_groups

_BATCH_SIZE = 64


class FeatureEmbedder:
    """Collects the embeddings of the images of a scan: 2.5 KB an image."""

    def __init__(self, device: torch.device) -> None:
        """Load the network on a device."""
        self._network = FeatureNetwork(device)
        self._positions: list[int] = []
        self._waiting: list[UInt8Array] = []
        self._embeddings: list[npt.NDArray[np.float16]] = []

    def add(self, position: int, pixels: UInt8Array) -> None:
        """Take the pixels of one image, uint8 [160, 160, 3]."""
        self._positions.append(position)
        self._waiting.append(pixels)
        if len(self._waiting) == _BATCH_SIZE:
            self._embed()

    def groups(self) -> Sequence[npt.NDArray[np.int64]]:
        """The positions of each group of near duplicates."""
        self._embed()
        if not self._positions:
            return []
        positions = np.array(self._positions, dtype=np.int64)
        return [positions[group] for group in members(near_duplicate_groups(np.concatenate(self._embeddings)))]

    def _embed(self) -> None:
        if self._waiting:
            batch = torch.from_numpy(np.stack(self._waiting)).permute(0, 3, 1, 2)
            self._embeddings.append(self._network.embed(batch))
            self._waiting.clear()
