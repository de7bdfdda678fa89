"""What this program calls itself in requests."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, metadata

from service import __version__
from trainer.errors import CollectError

# The name that robots.txt may use.
PRODUCT = "fieldguide"
_CONTACT = re.compile(r"[\x21-\x27\x2a-\x7e][\x20-\x27\x2a-\x7e]{0,199}")


def user_agent(contact: str = "") -> str:
    """The header User-Agent: the program, its version, the project's page, and whom to write to.

    The page is the homepage that the installed package names. As long as the project has none, a contact is all that
    an administrator can use.

    Args:
        contact: A mail address or page of the person who downloads; may be empty.

    Raises:
        CollectError: The contact cannot be in a header.
    """
    if contact and not _CONTACT.fullmatch(contact):
        raise CollectError("`contact` must be a mail address or a page, in plain letters and without parentheses")
    page = _homepage()
    more = "; ".join(part for part in ("image downloader", f"+{page}" if page else "", contact) if part)
    return f"{PRODUCT}/{__version__} ({more})"


def has_contact(contact: str) -> bool:
    """Whether the header says how to reach somebody."""
    return bool(contact or _homepage())


def _homepage() -> str:
    try:
        pages = metadata(PRODUCT).get_all("Project-URL") or []
    except PackageNotFoundError:  # a clone that is not installed
        return ""
    named = dict(page.partition(", ")[::2] for page in pages)
    return next((page for name, page in named.items() if name.casefold() in ("homepage", "repository")), "")
