"""The result of a check as one self-contained HTML page, and as a fragment for a notebook: data in, text out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2

from service import __version__
from service.inputs import read_bytes
from service.pixels import ImageError, PixelSpec, load
from service.ui import base_css, notebook_html
from service.ui.images import jpeg_url
from trainer.checking.findings import CheckResult, Finding, FoundImage
from trainer.checking.kinds import KINDS

_SHOWN = PixelSpec(size=176, resize_short=176, mode="pad")
_IMAGES = 24  # of a finding; whole groups
_NOTEBOOK_IMAGES = 6


@dataclass(frozen=True, kw_only=True)
class _Picture:
    """One image of the page; `url` is empty if it cannot be shown, and `mark` is whether it should be kept."""

    path: str
    labels: tuple[str, ...]
    split: str
    detail: str
    mark: bool
    url: str


@dataclass(frozen=True, kw_only=True)
class _Section:
    """What the page shows of one finding."""

    kind: str
    title: str
    summary: str
    advice: str
    details: tuple[str, ...]
    groups: list[list[_Picture]]
    is_grouped: bool
    hidden_count: int


def render_page(result: CheckResult) -> str:
    """Render the page. The images that it shows are read again; one that cannot be is left without its picture."""
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            result=result,
            sections=_sections(result, _IMAGES),
            name=result.root.name or str(result.root),
            icon=(resources.files("trainer.report") / "icon.svg").read_text("utf-8"),
            css=base_css() + _own_css(),
            version=__version__,
        )
    )


def render_notebook(result: CheckResult) -> str:
    """Render the fragment for the output of a notebook, with fewer images."""
    sections = _sections(result, _NOTEBOOK_IMAGES)
    html = _environment().get_template("notebook.html.jinja").render(result=result, sections=sections)
    return notebook_html(html, css=_own_css())


def _own_css() -> str:
    files = (resources.files("trainer.report") / "style.css", resources.files("trainer.checking") / "page.css")
    return "".join(file.read_text("utf-8") for file in files)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("trainer.checking", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _sections(result: CheckResult, most: int) -> list[_Section]:
    return [_section(finding, result.root, most) for finding in result.findings]


def _section(finding: Finding, root: Path, most: int) -> _Section:
    kind = KINDS[finding.kind]
    groups = [list(group) for _, group in itertools.groupby(finding.images, key=lambda image: image.group)]
    shown = _first_groups(groups, most)
    is_grouped = any(image.group is not None for image in finding.images)
    return _Section(
        kind=finding.kind,
        title=kind.title,
        summary=finding.summary,
        advice=kind.advice,
        details=finding.details[:most],
        groups=[[_picture(image, root, marks=kind.movable and is_grouped) for image in group] for group in shown],
        is_grouped=is_grouped,
        hidden_count=len(finding.images) - sum(map(len, shown)),
    )


def _first_groups(groups: Sequence[list[FoundImage]], most: int) -> list[list[FoundImage]]:
    """The first groups, until they have `most` images; of a larger group only so many."""
    shown: list[list[FoundImage]] = []
    left = most
    for group in groups:
        if left <= 0:
            break
        shown.append(group[:left])
        left -= len(group)
    return shown


def _picture(image: FoundImage, root: Path, *, marks: bool) -> _Picture:
    try:
        pixels = load(read_bytes(root / image.path), _SHOWN).pixels
        url = jpeg_url(pixels, max_pixels=_SHOWN.size)
    except (OSError, ImageError):
        url = ""
    return _Picture(
        path=image.path,
        labels=image.labels,
        split=image.split,
        detail=image.detail,
        mark=marks and image.keep,
        url=url,
    )
