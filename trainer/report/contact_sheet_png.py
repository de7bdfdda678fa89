"""A contact sheet as a PNG, drawn by Pillow with a font that comes with matplotlib."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from service.pixels import UInt8Array
from trainer.report.contact_sheet import ContactSheet, Section
from trainer.report.feed import Tile

_BACKGROUND_COLOUR = "#f5f4ef"
_TEXT_COLOUR = "#1d231f"
_MUTED_COLOUR = "#5d665f"
_EMPTY_COLOUR = "#e9e8e0"  # beside an original that is not square

_MARGIN = 48
_SIDE = 224  # of a square
_PAIR_GAP = 4
_GAP = 32  # between tiles
_COLUMNS = 3  # of pairs; there is room for twice as many single squares
_WIDTH = 2 * _MARGIN + _COLUMNS * (2 * _SIDE + _PAIR_GAP) + (_COLUMNS - 1) * _GAP
_CAPTION_HEIGHT = 64
_HEADING_HEIGHT = 92
_HEADER_HEIGHT = 84
_LEAD_CHARACTERS = 190

_TITLE_POINTS = 34
_HEADING_POINTS = 24
_TEXT_POINTS = 15
_SMALL_POINTS = 12


def contact_sheet_png(sheet: ContactSheet) -> bytes:
    """Draw the sheet: 1,516 pixels wide, as high as it must be. Letters that the font does not have are boxes."""
    height = 2 * _MARGIN + _HEADER_HEIGHT + sum(map(_section_height, sheet.sections))
    image = Image.new("RGB", (_WIDTH, height), _BACKGROUND_COLOUR)
    pen = ImageDraw.Draw(image)
    room = _WIDTH - 2 * _MARGIN
    _write(pen, (_MARGIN, _MARGIN), sheet.name, _TITLE_POINTS, room=room, bold=True)
    _write(pen, (_MARGIN, _MARGIN + 48), sheet.lead, _TEXT_POINTS, room=room, colour=_MUTED_COLOUR)
    top = _MARGIN + _HEADER_HEIGHT
    for section in sheet.sections:
        _draw_section(image, pen, section, top)
        top += _section_height(section)
    png = io.BytesIO()
    image.save(png, "png")
    return png.getvalue()


def _columns(section: Section) -> int:
    return _COLUMNS if section.tiles[0].original is not None else 2 * _COLUMNS


def _section_height(section: Section) -> int:
    rows = -(-len(section.tiles) // _columns(section))
    return _HEADING_HEIGHT + rows * (_SIDE + _CAPTION_HEIGHT)


def _draw_section(image: Image.Image, pen: ImageDraw.ImageDraw, section: Section, top: int) -> None:
    room = _WIDTH - 2 * _MARGIN
    _write(pen, (_MARGIN, top + 14), section.heading, _HEADING_POINTS, room=room, bold=True)
    lead = textwrap.shorten(section.lead, _LEAD_CHARACTERS, placeholder=" ...")
    _write(pen, (_MARGIN, top + 52), lead, _TEXT_POINTS, room=room, colour=_MUTED_COLOUR)
    columns = _columns(section)
    stride = (room + _GAP) / columns
    for number, tile in enumerate(section.tiles):
        row, column = divmod(number, columns)
        left = round(_MARGIN + column * stride)
        _draw_tile(
            image, pen, tile, (left, top + _HEADING_HEIGHT + row * (_SIDE + _CAPTION_HEIGHT)), room=int(stride - _GAP)
        )


def _draw_tile(image: Image.Image, pen: ImageDraw.ImageDraw, tile: Tile, corner: tuple[int, int], *, room: int) -> None:
    left, top = corner
    squares: Sequence[UInt8Array] = [tile.pixels] if tile.original is None else [tile.original, tile.pixels]
    side = _SIDE if tile.original is not None else min(_SIDE, room)
    for number, pixels in enumerate(squares):
        x = left + number * (side + _PAIR_GAP)
        pen.rectangle((x, top, x + side - 1, top + side - 1), fill=_EMPTY_COLOUR)
        photo = Image.fromarray(pixels)
        scale = side / max(photo.size)
        size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
        # A network's input that is smaller than the square keeps its pixels visible.
        kind = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
        image.paste(photo.resize(size, kind), (x + (side - size[0]) // 2, top + (side - size[1]) // 2))
    _write(pen, (left, top + side + 6), tile.title, _TEXT_POINTS, room=room, bold=True)
    _write(pen, (left, top + side + 28), tile.path, _SMALL_POINTS, room=room, colour=_MUTED_COLOUR, keep_end=True)


def _write(
    pen: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    points: int,
    *,
    room: int,
    colour: str = _TEXT_COLOUR,
    bold: bool = False,
    keep_end: bool = False,
) -> None:
    """Write one line, shortened to the room: at its end, or, with `keep_end`, at its start."""
    font = _font(points, bold)
    text = " ".join(text.split())
    shown, kept = text, len(text)
    while kept > 1 and font.getlength(shown) > room:
        kept -= max(1, kept // 16)
        shown = f"…{text[-kept:]}" if keep_end else f"{text[:kept].rstrip()}…"
    pen.text(corner, shown, fill=colour, font=font)


@cache
def _font(points: int, bold: bool) -> ImageFont.FreeTypeFont:
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), points)
