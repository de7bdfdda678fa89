"""Every incident of docs/operations.md is provoked, and shows what the page says that one sees."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.docs.test_links import ROOT
from tests.support.browser import launch
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.endless import write_endless_bundle
from tests.support.faulty import HANGS, SLOW, image_of
from tests.support.server import RunningServer, read_response, run_serve, upload, upload_head

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
# What is seen in the first column, and its quoted text.
INCIDENTS = {
    quoted: seen
    for seen in re.findall(r"^\| (.+?) \|", PAGE.partition("## Incidents")[2].partition("\n## ")[0], re.MULTILINE)
    for quoted in re.findall(r"`([^`/]+)`", seen)[:1]
}
FAULTY = "tests.support.faulty"
KEY = "0123456789abcdef0"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "colours")


def refused(*arguments: str, code: int) -> str:
    done = run_serve(*arguments, "--port", "0")
    assert done.returncode == code
    return done.stderr


def altered(bundle: Path, folder: Path) -> str:
    copy = write_tiny_bundle(folder / "copy")
    card = copy / "card.md"
    card.write_bytes(card.read_bytes()[:-1] + b" ")
    return refused(str(copy), code=3)


def absent(bundle: Path, folder: Path) -> str:
    return refused(str(folder / "nothing"), code=3)


def extra(bundle: Path, folder: Path) -> str:
    copy = write_tiny_bundle(folder / "copy")
    (copy / "notes.txt").write_text("mine")
    return refused(str(copy), code=3)


def port_in_use(bundle: Path, folder: Path) -> str:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run_serve(str(bundle), "--port", str(other.getsockname()[1]))
    assert done.returncode == 3
    return done.stderr


def wrong_setting(bundle: Path, folder: Path) -> str:
    done = run_serve(str(bundle), environ={"FIELDGUIDE_PORT": "http"})
    assert done.returncode == 2
    return done.stderr


def detail(response: httpx.Response, status: int) -> str:
    assert response.status_code == status
    return str(response.json()["detail"])


def post(server: RunningServer, image: bytes, **headers: str) -> httpx.Response:
    return httpx.post(server.url + "/v1/predict", content=image, headers={"Content-Type": "image/png", **headers})


@contextlib.contextmanager
def one_slot(bundle: Path, fault: int, *flags: str) -> Iterator[RunningServer]:
    """A service that processes one image at a time, and has just got one that takes long."""
    options = ["--threads", "1", "--queue-per-slot", "0", *flags]
    with RunningServer(bundle, *options, module=FAULTY) as server, server.connect() as client:
        client.sendall(upload("/v1/predict", image_of(fault)))
        yield server


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def full_queue(bundle: Path, folder: Path) -> str:
    with one_slot(bundle, HANGS) as server:
        wait_for(lambda: "fieldguide_in_flight 1.0" in httpx.get(server.url + "/metrics").text)
        return detail(post(server, make_image()), 429)


def late(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--deadline-s", "0.1", module=FAULTY) as server:
        return detail(post(server, image_of(SLOW)), 503)


def crowded(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--max-connections", "1") as server, server.connect():
        return detail(httpx.get(server.url + "/v1/model"), 503)


def loading(bundle: Path, folder: Path) -> str:
    endless = write_endless_bundle(folder / "endless", never_loads=True)
    with RunningServer(endless, "--log-level", "debug", awaited="listening on") as server:
        return detail(httpx.get(server.url + "/readyz"), 503)


def stuck(bundle: Path, folder: Path) -> str:
    with one_slot(bundle, HANGS, "--deadline-s", "0.1", "--stuck-s", "0.1") as server:
        wait_for(lambda: httpx.get(server.url + "/livez").status_code == 503)
        return detail(httpx.get(server.url + "/livez"), 503)


def long_body(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--max-body-bytes", "1000") as server:
        return detail(post(server, bytes(2000)), 413)


def many_pixels(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--max-pixels", "1000") as server:
        return detail(post(server, make_image(size=(60, 60))), 422)


def slow_body(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--body-timeout-s", "0.1") as server, server.connect() as client:
        client.sendall(upload_head("/v1/predict", 1000))
        status, _, body = read_response(client)
    assert status == 408
    return body.decode()


def many_uploads(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--max-upload-memory", "1000") as server, server.connect() as client:
        client.sendall(upload_head("/v1/predict", 1000))
        wait_for(lambda: "fieldguide_uploads 1.0" in httpx.get(server.url + "/metrics").text)
        return detail(post(server, make_image()), 429)


def other_host(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, "--trusted-hosts", "photos.example.org") as server:
        return detail(httpx.get(server.url + "/v1/model"), 400)


def no_key(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle, environ={"FIELDGUIDE_API_KEYS": KEY}) as server:
        assert post(server, make_image(), **{"X-API-Key": KEY}).status_code == 200
        return detail(post(server, make_image()), 401)


def no_photo(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle) as server:
        return detail(httpx.post(server.url + "/v1/predict", json={"image": ""}), 415)


def photo_as_text(bundle: Path, folder: Path) -> str:
    with RunningServer(bundle) as server:
        return detail(httpx.post(server.url + "/v1/predict", data={"file": "@photo.jpg"}), 415)


class OtherSite(BaseHTTPRequestHandler):
    """A site with one page."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def other_site(browser: Browser, html: str) -> Iterator[list[str]]:
    """Open a page of another origin; gives what its console and its frames show."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherSite) as site:
        Thread(target=site.serve_forever).start()
        OtherSite.page = html
        page = browser.new_page()
        shown: list[str] = []
        page.on("console", lambda message: shown.append(message.text))
        page.goto(f"http://127.0.0.1:{site.server_port}/", wait_until="networkidle")
        shown += [frame.locator("body").inner_text() for frame in page.frames]
        yield shown
        site.shutdown()


def in_browser(bundle: Path, html: str) -> str:
    with (
        RunningServer(bundle) as server,
        sync_playwright() as playwright,
        launch(playwright) as browser,
        other_site(browser, html.replace("SERVICE", server.url)) as shown,
    ):
        return "\n".join(shown)


def framed(bundle: Path, folder: Path) -> str:
    return in_browser(bundle, '<!doctype html><iframe src="SERVICE/"></iframe>')


def other_origin(bundle: Path, folder: Path) -> str:
    return in_browser(bundle, '<!doctype html><script>fetch("SERVICE/v1/model").catch(() => 0)</script>')


PROVOKED: dict[str, Callable[[Path, Path], str]] = {
    "was altered: its hash is not the one in manifest.json": altered,
    "there is no bundle": absent,
    "is extra: manifest.json does not list it": extra,
    "Address already in use": port_in_use,
    "must be a whole number from 0 to 65535": wrong_setting,
    "The queue is full; try again soon.": full_queue,
    "The request took longer than": late,
    "Too many connections.": crowded,
    "The model is not loaded yet.": loading,
    "Every thread is stuck.": stuck,
    "The request body is longer than the limit of": long_body,
    "pixels that are accepted": many_pixels,
    "The request body did not arrive within": slow_body,
    "Too many uploads at the same time; try again soon.": many_uploads,
    "is not trusted here.": other_host,
    "This service needs an API key.": no_key,
    "is not accepted; send": no_photo,
    "The body is not the image as it was": photo_as_text,
    "refused to connect": framed,
    "blocked by CORS policy": other_origin,
}
# `make container-test-matrix` has no row that kills the service: it was tried by hand, with 64 MB.
NOT_HERE = {"OOMKilled"}


def test_every_incident_is_provoked() -> None:
    assert set(INCIDENTS) == {*PROVOKED, *NOT_HERE}


@pytest.mark.parametrize("quoted", PROVOKED)
def test_the_incident_shows_what_the_page_says(quoted: str, bundle: Path, tmp_path: Path) -> None:
    assert quoted in PROVOKED[quoted](bundle, tmp_path)
