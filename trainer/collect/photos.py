"""A photo as a provider describes it, and what a provider is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from trainer.errors import CollectError

SIZES = ("small", "medium", "large")
COMMERCIAL, MODIFICATION, ANY = "commercial", "modification", "any"
# Licences by the names that Openverse gives them.
LICENSES = ("cc0", "pdm", "by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd")


@dataclass(frozen=True, kw_only=True)
class Photo:
    """An openly licensed photo.

    Attributes:
        url: Of the image.
        fallback: URL of another file of it, for when the first cannot be had; empty if there is none.
        title: Of the photo; may be empty.
        creator: Who made it; may be empty.
        license: Such as CC BY-SA 4.0.
        license_url: Text of the license.
        page: Page of the photo at its source.
        attribution: The sentence that names all of these.
        tags: Words for what it shows.
    """

    url: str
    fallback: str = ""
    title: str = ""
    creator: str = ""
    license: str
    license_url: str = ""
    page: str = ""
    attribution: str
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A part of what was found.

    Attributes:
        photos: The photos, the best first.
        next: What to ask for the next part with; empty if there is none.
        total: Number of all photos that the provider knows; None if it does not say.
    """

    photos: tuple[Photo, ...]
    next: str = ""
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class PhotoFilter:
    """Which photos are wanted.

    Attributes:
        licenses: `commercial` and `modification` (what a licence must allow), or `any`, or names of LICENSES.
        size: One of SIZES; empty: any.
        sources: Names of sources of the provider, such as flickr; empty: all.
    """

    licenses: tuple[str, ...] = (COMMERCIAL, MODIFICATION)
    size: str = ""
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        uses, names = self._uses(), [name for name in self.licenses if name in LICENSES]
        unknown = {*self.licenses} - {*uses} - {*names} - {ANY}
        if unknown or not self.licenses or len([kind for kind in (uses, names, self._any()) if kind]) > 1:
            raise CollectError(
                f"`license` must be {COMMERCIAL}, {MODIFICATION} or both, or {ANY}, or some of {', '.join(LICENSES)}"
            )
        if self.size not in ("", *SIZES):
            raise CollectError(f"`size` must be one of {', '.join(SIZES)}")

    def allowed(self) -> tuple[str, ...]:
        """The licences that are wanted, by their names."""
        if self._any():
            return LICENSES
        if uses := self._uses():
            parts = [part for use, part in ((COMMERCIAL, "nc"), (MODIFICATION, "nd")) if use in uses]
            return tuple(name for name in LICENSES if not {*parts} & {*name.split("-")})
        return self.licenses

    def _uses(self) -> list[str]:
        return [name for name in self.licenses if name in (COMMERCIAL, MODIFICATION)]

    def _any(self) -> list[str]:
        return [name for name in self.licenses if name == ANY]


class Provider(Protocol):
    """Where photos are searched for.

    Attributes:
        name: For people and for the journal.
        depth: Most results of one query that it shows.
    """

    name: str
    depth: int

    async def page(self, query: str, wanted: PhotoFilter, cursor: str) -> Page:
        """Ask for a part of what a query finds.

        Args:
            query: The words.
            wanted: Which photos.
            cursor: `Page.next` of the part before; empty: the first part.

        Raises:
            RequestsSpent: The provider allows no more requests for now.
            SearchError: It does not answer as it should.
        """


def attribution_of(*, title: str, creator: str, license_: str, license_url: str) -> str:
    """The sentence that names a photo, its creator and its licence, as Creative Commons recommends."""
    named = f'"{title}"' if title else "This photo"
    by = f" by {creator}" if creator else ""
    text = f". To view a copy of this license, visit {license_url}." if license_url else "."
    return f"{named}{by} is licensed under {license_}{text}"
