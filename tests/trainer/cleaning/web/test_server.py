"""Where the page listens, and who may reach it."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.clean_server import RunningPage
from tests.support.cleaning import write_untrained_run
from trainer.cleaning.web.server import Address, listen, url_of
from trainer.errors import CleanError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]"])
def test_the_loopback_needs_nothing_else(host: str) -> None:
    address = Address(host=host)
    assert address.is_loopback
    address.check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "photos.example", "127.0.0.1.evil.example", "", "1"])
def test_every_other_address_needs_tls_and_a_word(host: str, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("")
    for incomplete in (
        Address(host=host),
        Address(host=host, allow_remote=True),
        Address(host=host, certificate=file, key=file),
    ):
        with pytest.raises(CleanError, match=re.escape("ssh -L 8765:127.0.0.1:8765 HOST")):
            incomplete.check()
    Address(host=host, allow_remote=True, certificate=file, key=file).check()


def test_any_port_that_is_free_is_in_the_address() -> None:
    address = Address()
    with listen(address) as listener:
        port = listener.getsockname()[1]
        assert url_of(listener, address) == f"http://127.0.0.1:{port}"
        assert url_of(listener, Address(host="::1")) == f"http://[::1]:{port}"
        with pytest.raises(CleanError, match=re.escape("Address already in use; give another `host`")):
            listen(Address(port=port))
    with pytest.raises(CleanError, match=re.escape("cannot listen on no.such.host.invalid port 0: ")):
        listen(Address(host="no.such.host.invalid"))


def test_with_tls_the_page_speaks_nothing_else(photos: Path, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    run = write_untrained_run(photos, tmp_path / "run")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = (
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
        "-subj",
        "/CN=localhost",
    )
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run([openssl, *request, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=certificate)
    with RunningPage(run, "--tls-cert", certificate, "--tls-key", key, verify=trusted) as page:
        assert page.url.startswith("https://127.0.0.1:")
        assert page.get("/api/state")["images"] == 36
        assert page.decide({"kind": "keep", "ids": [1]})["state"]["edits"]["kept"] == 1
        assert next(iter(page.client.cookies.jar)).secure
        with pytest.raises(httpx.TransportError):
            httpx.get(page.url.replace("https", "http"))
