"""Strange images that are drawn: what no model here has learned, without asking anyone for photos of other things."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageDraw

from service.pixels import UInt8Array

OF_EACH_KIND = 10
_BLACK, _WHITE = 0, 255
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SHAPES = 6


def strange_images(size: int) -> UInt8Array:
    """Draw ten images of each kind of `KINDS`: uint8 [60, size, size, 3]. They are the same every time."""
    random = np.random.default_rng(0)
    return np.stack([draw(size, number, random) for draw in KINDS.values() for number in range(OF_EACH_KIND)])


def _noise(size: int, _number: int, random: np.random.Generator) -> UInt8Array:
    return random.integers(0, 256, (size, size, 3), dtype=np.uint8)


def _flat(size: int, number: int, random: np.random.Generator) -> UInt8Array:
    colour = {0: (_BLACK,) * 3, 1: (_WHITE,) * 3}.get(number, random.integers(0, 256, 3).tolist())
    return np.broadcast_to(np.array(colour, dtype=np.uint8), (size, size, 3)).copy()


def _gradient(size: int, _number: int, random: np.random.Generator) -> UInt8Array:
    colours = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    return np.asarray(colours.resize((size, size), Image.Resampling.BICUBIC))


def _shapes(size: int, _number: int, random: np.random.Generator) -> UInt8Array:
    image = Image.new("RGB", (size, size), _colour(random))
    draw = ImageDraw.Draw(image)
    for shape in range(_SHAPES):
        left, top = random.integers(0, size, 2).tolist()
        width, height = random.integers(size // 20 + 1, size // 2 + 2, 2).tolist()
        (draw.ellipse if shape % 2 else draw.rectangle)((left, top, left + width, top + height), fill=_colour(random))
    return np.asarray(image)


def _screenshot(size: int, _number: int, random: np.random.Generator) -> UInt8Array:
    """A window with a bar and lines of text."""
    image = Image.new("RGB", (size, size), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size, size // 12), fill=_colour(random))
    for top in range(size // 9, size, max(12, size // 16)):
        words = ["".join(random.choice(list(_LETTERS), random.integers(2, 9))) for _ in range(8)]
        draw.text((size // 28, top), " ".join(words), fill="black")
    return np.asarray(image)


def _digit(size: int, number: int, random: np.random.Generator) -> UInt8Array:
    """A digit of a few pixels, enlarged."""
    small = Image.new("L", (10, 12), 0)
    ImageDraw.Draw(small).text((2, 0), str(number % 10), fill=int(random.integers(150, 256)))
    return np.asarray(small.resize((size, size), Image.Resampling.BICUBIC).convert("RGB"))


def _colour(random: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = random.integers(0, 256, 3).tolist()
    return red, green, blue


KINDS: Mapping[str, Callable[[int, int, np.random.Generator], UInt8Array]] = {
    "noise": _noise,
    "flat": _flat,
    "gradient": _gradient,
    "shapes": _shapes,
    "screenshot": _screenshot,
    "digit": _digit,
}
