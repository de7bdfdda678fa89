"""Classes and the groups that they belong to: every Granny Smith is an apple."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from trainer.catalog.errors import first_few
from trainer.catalog.labels import natural_key
from trainer.errors import CatalogError


def groups_of(places: Iterable[tuple[str, str, str]], *, where: str) -> dict[str, str]:
    """Label -> its group.

    places  (label, group, place) of each image; the place is what an error calls it: a row, a path

    Raises CatalogError that begins with `where` and names the places, where a label has two groups.
    """
    found: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for label, group, place in places:
        found[label][group].append(place)
    torn = sorted((label for label, groups in found.items() if len(groups) > 1), key=natural_key)
    if torn:
        parts = [f"{group!r} ({first_few(names, most=3)})" for group, names in found[torn[0]].items()]
        told = first_few(parts, most=3, separator=" and in ")
        more = f" (and {len(torn) - 1:,} more classes are like it)" if len(torn) > 1 else ""
        raise CatalogError(f"{where}: the class {torn[0]!r} is in {told}{more}; give every class one group.")
    return {label: group for label, groups in found.items() for group in groups}
