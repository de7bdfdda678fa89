"""Small real datasets: handwritten digits in folders, with wrong labels and classes of unequal size if asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

_SIDE = 40
# Pixels to the right and down by which the copies are moved.
_MOVES = ((0, 0), (1, 0), (0, 1))


def write_digits(folder: Path, counts: Mapping[int, int], *, first: int = 0, wrong: float = 0.0) -> Path:
    """Write scans of digits, one folder for each digit.

    Args:
        folder: Where the folders are made.
        counts: Digit -> number of its scans.
        first: Position of the first scan of each digit; other scans give another dataset.
        wrong: Fraction of the scans that are put into the folder of another digit.
    """
    digits = load_digits()
    shuffled = np.random.default_rng(0).permutation(len(digits.target))  # they are sorted by writer
    random = np.random.default_rng((first, 1))
    for digit, count in counts.items():
        for number in shuffled[digits.target[shuffled] == digit][first : first + count].tolist():
            is_wrong = random.random() < wrong
            label = (digit + int(random.integers(1, 10))) % 10 if is_wrong else digit
            path = folder / str(label) / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            _draw(digits.images[number]).save(path)
    return folder


def add_near_duplicates(folder: Path) -> Path:
    """Add copies of every image of a folder, moved a little and saved as JPEG."""
    for path in sorted(folder.rglob("*.png")):
        for number, (right, down) in enumerate(_MOVES):
            with Image.open(path) as image:
                moved = image.transform(image.size, Image.Transform.AFFINE, (1, 0, right, 0, 1, down), fillcolor=255)
            moved.save(path.with_name(f"{path.stem}-{number}.jpg"), quality=80 + number)
    return folder


def _draw(ink: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Image.Image:
    paper = 255 - np.pad(ink, 1) * 255 / 16
    return Image.fromarray(paper.round().astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
