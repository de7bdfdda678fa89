"""A comparison of two models as one self-contained HTML page: data in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service import __version__
from service.inputs import read_bytes
from service.pixels import ImageError, PixelSpec, load
from service.ui import base_css
from service.ui.images import jpeg_url
from trainer.report.comparison import ChangedImage, ClassChange, Comparison, Outcome, points
from trainer.report.page import template

_SHOWN = PixelSpec(size=192, resize_short=192, mode="pad")
_IMAGES: dict[Outcome, int] = {"broken": 24, "fixed": 24, "other": 12}
_CLASSES = 60  # that gained, and that lost

_TITLES: dict[Outcome, str] = {
    "broken": "Right before, wrong now",
    "fixed": "Wrong before, right now",
    "other": "Wrong in another way",
}
_MULTILABEL_TITLES: dict[Outcome, str] = {
    "broken": "More labels wrong than before",
    "fixed": "Fewer labels wrong than before",
    "other": "As many labels wrong, but others",
}


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """A changed image; `url` is empty if it cannot be read any more."""

    image: ChangedImage
    url: str


@dataclass(frozen=True, kw_only=True)
class _Group:
    """The changed images of one outcome."""

    name: Outcome
    title: str
    images: list[_Shown]
    hidden_count: int


@dataclass(frozen=True, kw_only=True)
class _ClassGroup:
    """The classes that gained, or those that lost."""

    title: str
    changes: Sequence[ClassChange]
    hidden_count: int


def render_comparison(comparison: Comparison) -> str:
    """Render the page. The images that it shows are read again."""
    best = comparison.verdicts[0]
    titles = _TITLES if comparison.task == "classification" else _MULTILABEL_TITLES
    groups = [_group(comparison.outcomes(name), name, titles[name]) for name in titles]
    classes = [
        _ClassGroup(title=title, changes=changes[:_CLASSES], hidden_count=max(0, len(changes) - _CLASSES))
        for title, changes in (("Recognized worse", best.lost), ("Recognized better", best.gained))
    ]
    return template("comparison.html.jinja").render(
        base_css=base_css(),
        comparison=comparison,
        verdicts=comparison.verdicts,
        models=comparison.models,
        is_multilabel=comparison.task == "multilabel",
        groups=[group for group in groups if group.images],
        class_groups=[group for group in classes if group.changes],
        equal_count=len(best.classes) - len(best.gained) - len(best.lost),
        points=points,
        version=__version__,
    )


def _group(images: Sequence[ChangedImage], name: Outcome, title: str) -> _Group:
    return _Group(
        name=name,
        title=title,
        images=[_Shown(image=image, url=_url(image)) for image in images[: _IMAGES[name]]],
        hidden_count=max(0, len(images) - _IMAGES[name]),
    )


def _url(image: ChangedImage) -> str:
    try:
        return jpeg_url(load(read_bytes(image.file), _SHOWN).pixels, max_pixels=_SHOWN.size)
    except (OSError, ImageError):
        return ""
