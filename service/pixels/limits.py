"""What an image may be before any pixel is allocated."""

from __future__ import annotations

from dataclasses import dataclass

from service.pixels.errors import UndecodableImage

# What any image of `max_pixels` may take to decode, for each of its pixels.
BYTES_PER_PIXEL = 12


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an image may be before any pixel is allocated.

    max_pixels      width x height, pixels
    max_side_ratio  long side / short side
    """

    max_pixels: int = 50_000_000
    max_side_ratio: int = 50

    def check_size(self, width: int, height: int) -> None:
        """Raises UndecodableImage for a size that is not taken."""
        if width < 1 or height < 1:
            raise UndecodableImage(f"The image is {width} x {height} pixels: there is nothing to see.")
        if width * height > self.max_pixels:
            raise UndecodableImage(
                f"The image is {width} x {height} pixels, more than the {self.max_pixels:,} pixels that are taken here."
            )
        if max(width, height) > self.max_side_ratio * min(width, height):
            raise UndecodableImage(
                f"The image is {width} x {height} pixels: one side is more than {self.max_side_ratio} times the other."
            )

    def check_bytes(self, needed: float) -> None:
        """Raises UndecodableImage for an image whose decoder would need more memory than `max_pixels` allow for."""
        allowed = BYTES_PER_PIXEL * self.max_pixels
        if needed > allowed:
            raise UndecodableImage(
                f"The image needs {needed / 1e6:,.0f} MB to be decoded, more than the {allowed / 1e6:,.0f} MB that it "
                "may take here; send it with fewer pixels, or without alpha and at 8 bits a colour."
            )
