"""How the images of an imported model are prepared, where that is another way than in its library's record."""

from __future__ import annotations

from dataclasses import dataclass

from service.pixels import Filter, Mode, PixelSpec
from trainer.errors import ImportModelError

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What is given; None: as in the record.

    Attributes:
        size: Side of the input, pixels.
        resize_short: Short side before the centre crop, pixels.
        mode: `crop`, `squish` or `pad`.
        filter: `bilinear` or `bicubic`.
        mean: Of the three channels, for pixel values in 0..1.
        std: Of the three channels, for pixel values in 0..1.
    """

    size: int | None = None
    resize_short: int | None = None
    mode: Mode | None = None
    filter: Filter | None = None
    mean: Triple | None = None
    std: Triple | None = None

    def __post_init__(self) -> None:
        """Raise ImportModelError if a standard deviation is not greater than 0."""
        if self.std is not None and not min(self.std) > 0:
            raise ImportModelError(f"`std` is {self.std}; each of its numbers must be greater than 0")

    def pixels(self, record: PixelSpec) -> PixelSpec:
        """Return the pixels of a record, in its size, with what is given in its place.

        Raises:
            ImportModelError: It does not go together.
        """
        mode = self.mode or record.mode
        short = self.resize_short or (record.resize_short if mode == record.mode else record.size)
        try:
            return PixelSpec(size=record.size, resize_short=short, mode=mode, filter=self.filter or record.filter)
        except ValueError as error:
            raise ImportModelError(f"{error}; change `resize_short`, `size` or `resize`") from error
