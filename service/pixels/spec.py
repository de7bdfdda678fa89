"""How an upright image becomes the model's input, in integers and names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Mode = Literal["crop", "squish", "pad"]
Filter = Literal["bicubic", "bilinear"]

_MAX_SIDE = 4096


@dataclass(frozen=True, kw_only=True)
class PixelSpec:
    """How an upright image becomes the model's square input. Travels in the bundle.

    size          side of the square output, pixels
    resize_short  `crop`: the short side is resized to this before the centre crop; otherwise equal to size
    mode          `crop` (resize, then centre crop), `squish` (aspect ratio given up) or `pad` (black bars)
    filter        resampling filter, always antialiased
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
            raise ValueError("pixels.resize_short is smaller than pixels.size: the crop would not be filled")
        if self.mode != "crop" and self.resize_short != self.size:
            raise ValueError(f"pixels.resize_short must equal pixels.size when the mode is {self.mode}")

    def to_json(self) -> dict[str, int | str]:
        """The spec as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PixelSpec:
        """Read what `to_json` wrote; raises ValueError that names the field."""
        expected = {"size", "resize_short", "mode", "filter"}
        if set(value) != expected:
            raise ValueError(f"pixels must have exactly the fields {', '.join(sorted(expected))}")
        return cls(**value)
