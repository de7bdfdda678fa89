"""What travels in the bundle about images: how one becomes the model's input, and which ones are accepted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from service.pixels.errors import UndecodableImage

Mode = Literal["crop", "squish", "pad"]
Filter = Literal["bicubic", "bilinear"]

# Memory that decoding may take, per pixel of `Limits.max_pixels`.
MAX_BYTES_PER_PIXEL = 12

_MAX_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class PixelSpec:
    """How an upright image becomes the model's square input.

    Attributes:
        size: Side of the square, pixels.
        resize_short: With mode `crop`, the length of the short side before the centre crop, pixels. With the other
            modes, equal to `size`.
        mode: `crop` (resize, then centre crop), `squish` (resize without keeping the aspect ratio) or `pad` (resize,
            then add black bars).
        filter: Resampling filter. It is always antialiased.
    """

    size: int
    resize_short: int
    mode: Mode = "crop"
    filter: Filter = "bicubic"

    def __post_init__(self) -> None:
        for name in ("size", "resize_short"):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= _MAX_SIDE:
                raise ValueError(f"pixels.{name} is {value!r}, not an integer from 1 to {_MAX_SIDE}")
        if self.mode not in get_args(Mode):
            raise ValueError(f"pixels.mode is {self.mode!r}, not one of {', '.join(get_args(Mode))}")
        if self.filter not in get_args(Filter):
            raise ValueError(f"pixels.filter is {self.filter!r}, not one of {', '.join(get_args(Filter))}")
        if self.mode == "crop" and self.resize_short < self.size:
            raise ValueError("pixels.resize_short is smaller than pixels.size: the image would not fill the crop")
        if self.mode != "crop" and self.resize_short != self.size:
            raise ValueError(f"pixels.resize_short must equal pixels.size if the mode is {self.mode}")

    def to_json(self) -> dict[str, int | str]:
        """Return the spec as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PixelSpec:
        """Read what `to_json` returned.

        Raises:
            ValueError: A field is missing, unknown or out of range. The message names it.
        """
        expected = {"size", "resize_short", "mode", "filter"}
        if set(value) != expected:
            raise ValueError(f"pixels must have exactly the fields {', '.join(sorted(expected))}")
        return cls(**value)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Which images are accepted. Checked before any pixel is allocated.

    Attributes:
        max_pixels: Largest width x height, pixels.
        max_side_ratio: Largest long side / short side.
    """

    max_pixels: int = 50_000_000
    max_side_ratio: int = 50

    def check_size(self, width: int, height: int) -> None:
        """Raise UndecodableImage if an image of this size is not accepted."""
        if width < 1 or height < 1:
            raise UndecodableImage(f"The image is {width} x {height} pixels: it is empty.")
        if width * height > self.max_pixels:
            raise UndecodableImage(
                f"The image is {width} x {height} pixels: more than the {self.max_pixels:,} pixels that are accepted."
            )
        if max(width, height) > self.max_side_ratio * min(width, height):
            raise UndecodableImage(
                f"The image is {width} x {height} pixels: one side is more than {self.max_side_ratio} times the other."
            )

    def check_memory(self, needed_bytes: float) -> None:
        """Raise UndecodableImage if decoding an image needs more memory than `max_pixels` allows."""
        allowed_bytes = MAX_BYTES_PER_PIXEL * self.max_pixels
        if needed_bytes > allowed_bytes:
            raise UndecodableImage(
                f"Decoding the image needs {needed_bytes / 1e6:,.0f} MB of memory: more than the "
                f"{allowed_bytes / 1e6:,.0f} MB that are allowed. "
                "Send it with fewer pixels, or without alpha and with 8 bits per channel."
            )
