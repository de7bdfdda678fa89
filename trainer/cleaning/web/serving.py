"""The page from its start to Ctrl-C: the address, the token, the browser, the work in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable

from trainer.cleaning.views import Views
from trainer.cleaning.web.access import LOOPBACK_NAMES, Access
from trainer.cleaning.web.app import create_app
from trainer.cleaning.web.opening import RedirectFile
from trainer.cleaning.web.routes import Handlers, Tools
from trainer.cleaning.web.server import Address, listen, serve, url_of
from trainer.cleaning.work import Background


def serve_page(
    views: Views,
    tools: Tools,
    background: Background,
    address: Address,
    *,
    browser: bool,
    on_url: Callable[[str], None],
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        views: The session.
        tools: About single images.
        background: Is started, and stopped at the end.
        address: Where.
        browser: Whether the browser of this user is opened.
        on_url: Is called with the address that a person opens, when it can be opened.

    Raises:
        CleanError: The address cannot be used, or not safely.
    """
    address.check()
    listener = listen(address)
    redirect: list[RedirectFile] = []
    access = Access(
        listener.getsockname()[1],
        hosts=LOOPBACK_NAMES | {address.name} if address.is_loopback else None,
        is_encrypted=address.certificate is not None,
        on_used=lambda: remove(redirect),
    )
    url = f"{url_of(listener, address)}/open?token={access.token}"

    def on_ready() -> None:
        on_url(url)
        if browser:
            redirect.append(RedirectFile(url))
            # Some browsers do not return before they are closed.
            threading.Thread(target=redirect[0].open_in_browser, name="browser", daemon=True).start()
        background.start()

    app = create_app(Handlers(views=views, tools=tools), access)
    try:
        serve(app, listener, address, on_ready=on_ready)
    finally:
        listener.close()
        background.stop()
        remove(redirect)


def remove(files: list[RedirectFile]) -> None:
    """Remove the files that led to the page."""
    for file in files:
        file.remove()
