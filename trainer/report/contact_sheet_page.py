"""A contact sheet as a page that needs no network, and as a fragment for a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.ui import base_css
from service.ui.images import jpeg_url
from trainer.report.contact_sheet import ContactSheet, Section
from trainer.report.feed import Tile
from trainer.report.notebook import fragment
from trainer.report.page import template

_MAX_PIXELS = 384  # of an image in the page


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A tile with its images as `data:` URLs; `original_url` is empty if it is not shown."""

    title: str
    path: str
    image_url: str
    original_url: str


def render_contact_sheet(sheet: ContactSheet) -> str:
    """Render the page; the same sheet gives the same text."""
    return template("contact_sheet.html.jinja").render(
        base_css=base_css(), sheet=sheet, sections=list(_sections(sheet))
    )


def contact_sheet_html(sheet: ContactSheet) -> str:
    """Render the sections of the sheet for the output of a notebook."""
    return fragment("notebook_contact_sheet.html.jinja", sections=list(_sections(sheet)))


def _sections(sheet: ContactSheet) -> Iterator[tuple[Section, list[_Shown]]]:
    for section in sheet.sections:
        yield section, [_show(tile) for tile in section.tiles]


def _show(tile: Tile) -> _Shown:
    return _Shown(
        title=tile.title,
        path=tile.path,
        image_url=jpeg_url(tile.pixels, max_pixels=_MAX_PIXELS),
        original_url="" if tile.original is None else jpeg_url(tile.original, max_pixels=_MAX_PIXELS),
    )
