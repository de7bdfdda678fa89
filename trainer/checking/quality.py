"""Findings about single images: what cannot be decoded, and what stands out from the set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from service.inputs import first_few
from trainer.checking.findings import Finding, found_image
from trainer.checking.header import has_wrong_suffix
from trainer.checking.measures import ONE_COLOUR_SPREAD
from trainer.checking.rules import Outliers, Rule, outliers
from trainer.checking.scan import Scan

FloatArray = npt.NDArray[np.floating[Any]]

# Lengths, areas and sharpness are compared as logarithms: twice as large is as far as half as large.
_RULES = {
    # Nothing that fills the input of a network is too small, and nothing under ten megapixels too large.
    "too-small": Rule(side="low", limit=float(np.log(224)), distance=float(np.log(2.5))),
    "too-large": Rule(side="high", limit=float(np.log(10e6)), distance=float(np.log(4))),
    # Photos have a ratio of up to 16 : 9.
    "odd-aspect": Rule(side="high", limit=float(np.log(2.5)), distance=float(np.log(1.6))),
    "one-colour": Rule(side="low", limit=ONE_COLOUR_SPREAD, distance=0.1),
    "too-dark": Rule(side="low", limit=0.4, distance=0.2),
    "too-light": Rule(side="high", limit=0.6, distance=0.2),
    "blurred": Rule(side="low", limit=float(np.log(0.4)), distance=float(np.log(1.8))),
}
# An image that has one colour is not called dark, light or blurred as well, and a small one not blurred.
_STRONGER = {"too-dark": ("one-colour",), "too-light": ("one-colour",), "blurred": ("one-colour", "too-small")}
# What Pillow says of one file alone: "(13 bytes not processed)".
_NUMBERS = re.compile(r" \(\d+ [^()]*\)")


def quality_findings(found: Scan) -> Iterator[Finding | str]:
    """Yield a finding for each kind of which there are images, and a remark for what is common in the set."""
    items = found.images.items
    count = len(items)
    if found.errors:
        images = [found_image(found, place, reason) for place, reason in sorted(found.errors.items())]
        reasons = Counter(_NUMBERS.sub("", image.detail).rstrip(".") for image in images)
        shown = first_few([f"{reason} ({number:,})" for reason, number in reasons.most_common()], separator=" | ")
        summary = f"{len(images):,} of {count:,} images cannot be decoded: {shown}."
        yield Finding(kind="undecodable", summary=summary, images=tuple(images))
    decoded = found.decoded.tolist()
    wrong = [place for place in decoded if has_wrong_suffix(items[place].path, found.formats[place])]
    if wrong:
        pairs = Counter(f"{_suffix(items[place].path)} is {found.formats[place]}" for place in wrong)
        shown = first_few([f"{text} {number:,}" for text, number in pairs.most_common()])
        yield Finding(
            kind="wrong-suffix",
            summary=f"{len(wrong):,} images have the suffix of another format: {shown}.",
            images=tuple(found_image(found, place, f"is {found.formats[place]}") for place in wrong),
        )
    animated = np.flatnonzero(found.animated).tolist()
    if animated:
        yield Finding(
            kind="animated",
            summary=f"{len(animated):,} images are animations.",
            images=tuple(
                found_image(found, place, f"{found.formats[place]} with several frames") for place in animated
            ),
        )
    yield from _outlier_findings(found)


def _outlier_findings(found: Scan) -> Iterator[Finding | str]:
    decoded = found.decoded
    sizes = found.sizes[decoded].astype(np.float64)
    values: dict[str, FloatArray] = {
        "too-small": np.log(sizes.min(axis=1)),
        "too-large": np.log(sizes.prod(axis=1)),
        "odd-aspect": np.abs(np.log(sizes[:, 0] / sizes[:, 1])),
        "one-colour": found.measured("spread")[decoded],
        "too-dark": found.measured("light")[decoded],
        "too-light": found.measured("dark")[decoded],
        "blurred": np.log(np.maximum(found.measured("sharpness")[decoded], 1e-3)),
    }
    results = {kind: outliers(values[kind], rule) for kind, rule in _RULES.items()}
    for kind, result in results.items():
        show = _SHOWN[kind]
        if result.common:
            yield (
                f"{kind}: {result.common:,} of {len(decoded):,} images would be. That is common here, so none is "
                f"reported (median: {show(result.median)})."
            )
            continue
        stronger = [results[other].positions for other in _STRONGER.get(kind, ())]
        own = np.setdiff1d(result.positions, np.concatenate(stronger)) if stronger else result.positions
        if len(own):
            yield _outlier_finding(found, kind, own, values[kind], result)


def _outlier_finding(
    found: Scan, kind: str, own: npt.NDArray[np.int64], values: FloatArray, result: Outliers
) -> Finding:
    """The finding of one rule; the worst image first."""
    show, rule, decoded = _SHOWN[kind], _RULES[kind], found.decoded
    worst_first = own[np.argsort(values[own] if rule.side == "low" else -values[own], kind="stable")]
    return Finding(
        kind=kind,
        summary=f"{len(own):,} of {len(decoded):,} images (median of all: {show(result.median)}).",
        images=tuple(
            found_image(found, place, _detail(found, kind, place, show(value)))
            for place, value in zip(decoded[worst_first].tolist(), values[worst_first].tolist(), strict=True)
        ),
    )


def _detail(found: Scan, kind: str, place: int, shown: str) -> str:
    width, height = found.sizes[place].tolist()
    return f"{width} x {height} pixels" if kind in ("too-small", "too-large", "odd-aspect") else shown


def _suffix(path: str) -> str:
    return "." + path.rpartition(".")[2].casefold()


_SHOWN: dict[str, Callable[[float], str]] = {
    "too-small": lambda value: f"{np.exp(value):,.0f} pixels on the short side",
    "too-large": lambda value: f"{np.exp(value) / 1e6:,.1f} megapixels",
    "odd-aspect": lambda value: f"{np.exp(value):.2f} : 1",
    "one-colour": lambda value: f"range of the colours {value:.0%}",
    "too-dark": lambda value: f"light parts at {value:.0%} of white",
    "too-light": lambda value: f"dark parts at {value:.0%} of white",
    "blurred": lambda value: f"sharpness {np.exp(value):.2f}",
}
