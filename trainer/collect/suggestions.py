"""Why a search gave fewer photos than wanted, and what to search for besides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from trainer.collect.photos import Photo, Provider

_MOST = 3
_WORD = re.compile(r"[^\W\d_]{3,20}")
_VARIATIONS = ("close-up", "outdoors", "old")


class SearchedQuery(Protocol):
    """What was asked, and what came."""

    words: str
    label: str
    photos: list[Photo]
    total: int | None


def why_fewer(queries: Sequence[SearchedQuery], provider: Provider, *, folder: Path, have: int, wanted: int) -> str:
    """Say why a label has fewer images than wanted, and how to get more.

    Args:
        queries: Those of the label.
        provider: Who was asked.
        folder: Where the images are.
        have: Number of images.
        wanted: Number of images.
    """
    label = queries[0].label
    is_deep = any(len(query.photos) >= provider.depth or (query.total or 0) > provider.depth for query in queries)
    shown = sum(len(query.photos) for query in queries)
    if is_deep:
        why = f"{provider.name} shows {provider.depth} results of a query at most"
    else:
        why = f"{provider.name} found {shown:,} photos, and not all could be downloaded"
        if shown < wanted:
            why = f"{provider.name} found {f'only {shown:,}' if shown else 'no'} photos"
    more = f"`search({variations(queries)!r}, {str(folder)!r}, label={label!r}, count={wanted})`"
    return f"{label}: {have:,} of {wanted:,} images. {why}. Search for variations, such as: {more}"


def variations(queries: Sequence[SearchedQuery]) -> str:
    """Another query: the first one, with a word that many of its photos have."""
    first = queries[0]
    asked = {word.casefold() for query in queries for word in _WORD.findall(query.words)}
    counts = Counter(word for photo in first.photos for word in {*_single_words(photo.tags)} - asked)
    likely = [word for word, count in counts.most_common(_MOST) if count > 1]
    for word in (*likely, *_VARIATIONS):
        if word not in asked:
            return f"{first.words} {word}"
    return f"{first.words} photo"


def _single_words(tags: Iterable[str]) -> Iterable[str]:
    return (tag.casefold() for tag in tags if _WORD.fullmatch(tag))
