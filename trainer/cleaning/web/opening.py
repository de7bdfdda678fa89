"""How the address with the token reaches the browser: in a private file, since other users can read command lines."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
import webbrowser
from pathlib import Path

_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>fieldguide</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0;url={url}"></head>
<body><p><a href="{url}">Open the page</a></p></body></html>
"""


class RedirectFile:
    """A page that leads to an address. Only this user can read it, and it is removed once it was used.

    Attributes:
        path: The file.
    """

    def __init__(self, url: str) -> None:
        """Write it, in a new folder that is private, too. Raises OSError."""
        folder = Path(tempfile.mkdtemp(prefix="fieldguide-"))
        self.path = folder / "open.html"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_PAGE.format(url=html.escape(url)))

    def open_in_browser(self) -> bool:
        """Open it in the browser of this user; returns whether there is one."""
        try:
            return webbrowser.open(self.path.as_uri())
        except webbrowser.Error:
            return False

    def remove(self) -> None:
        """Remove it. It may be removed already."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
