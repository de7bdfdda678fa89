"""Pages in a real headless browser."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a moving test image, mostly green
]
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def launch(playwright: Playwright) -> Browser:
    """Start the browser that is installed, or skip the test."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for found in map(shutil.which, names) if found), None)
    if path is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    return playwright.chromium.launch(executable_path=path, args=_FLAGS)


class Visit:
    """A page that records errors in the console, and requests to other places."""

    def __init__(self, context: BrowserContext, origin: str, *, expected_errors: str = "", path: str = "/") -> None:
        self.page = context.new_page()
        self.complaints: list[str] = []
        self._origin = origin
        self._expected_errors = expected_errors
        self.page.on("console", lambda message: self._on_console(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._on_request(request.url))
        self.page.goto(origin + path)

    def _on_console(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not (self._expected_errors and self._expected_errors in text):
            self.complaints.append(text)

    def _on_request(self, url: str) -> None:
        if not url.startswith((self._origin + "/", f"blob:{self._origin}/")):
            self.complaints.append(f"request to {url}")


def upload(page: Page, data: bytes, *, name: str = "photo.png") -> None:
    page.set_input_files("#pick", {"name": name, "mimeType": "image/png", "buffer": data})


def give(page: Page, kind: str, *files: tuple[str, str, bytes]) -> None:
    """Paste or drop files, each with its name and type.

    kind  the name of the event: paste, dragenter, drop
    """
    page.evaluate(
        """([kind, files]) => {
            const transfer = new DataTransfer();
            for (const [name, type, bytes] of files) {
                transfer.items.add(new File([new Uint8Array(bytes)], name, { type }));
            }
            const event = kind === "paste"
                ? new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true })
                : new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
            document.body.dispatchEvent(event);
        }""",
        [kind, [[name, media_type, list(data)] for name, media_type, data in files]],
    )


def watch_uploads(page: Page) -> None:
    """Keep the body of the last upload in the page: the browser does not hand out the bytes of a Blob otherwise."""
    page.evaluate("""() => {
        const send = XMLHttpRequest.prototype.send;
        XMLHttpRequest.prototype.send = function (body) {
            window.lastBody = new Response(body).arrayBuffer().then((buffer) => [...new Uint8Array(buffer)]);
            return send.call(this, body);
        };
    }""")


def uploaded(page: Page, photo: bytes) -> bytes:
    """Upload a photo, and return what was sent once it is answered."""
    page.evaluate("document.getElementById('result').replaceChildren()")
    upload(page, photo)
    expect(page.locator("#result .bars")).to_be_visible()
    return bytes(page.evaluate("() => lastBody"))
