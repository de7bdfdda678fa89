"""Caddy and nginx, really run in front of a real service; only ports and certificates are not those of the files."""

from __future__ import annotations

import io
import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from service.settings import Settings
from tests.deploy.checks import SLOWEST_BYTES_PER_S
from tests.support.bundles import make_image, write_tiny_bundle
from tests.support.programs import free_port, program, replaced
from tests.support.proxies import (
    CADDYFILE,
    NGINX_CONF,
    Proxy,
    caddy,
    caddyfile_under_a_prefix,
    nginx,
    nginx_under_a_prefix,
    write_nginx,
)
from tests.support.server import RunningServer

SETTINGS = Settings()
TYPE = {"Content_Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("proxies") / "bundle")


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle, "--body-timeout-s", "3") as running:
        yield running


@pytest.fixture(scope="module", params=["caddy", "nginx", "caddy under a prefix", "nginx under a prefix"])
def site(
    request: pytest.FixtureRequest, server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Proxy, str]]:
    """A proxy and the prefix under which it serves."""
    name, _, prefix = request.param.partition(" ")
    start = caddy if name == "caddy" else nginx
    text = {
        ("caddy", False): CADDYFILE,
        ("caddy", True): caddyfile_under_a_prefix(),
        ("nginx", False): NGINX_CONF,
        ("nginx", True): nginx_under_a_prefix(),
    }[name, bool(prefix)]
    with start(tmp_path_factory.mktemp(name), server.url.removeprefix("http://"), text) as proxy:
        yield proxy, "/bears" if prefix else ""


def large_photo(size: int) -> bytes:
    """A BMP of about this many bytes."""
    side = int((size / 3) ** 0.5)
    file = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(file, "BMP")
    return file.getvalue()


def test_the_page_and_each_of_its_files_are_served(site: tuple[Proxy, str]) -> None:
    proxy, prefix = site
    status, _, page = proxy.ask("GET", f"{prefix}/")
    assert status == 200
    files = set(re.findall(r'(?:href|src)="([^"]+)"', page.decode()))
    assert "page/app.js" in files
    script = proxy.ask("GET", f"{prefix}/page/app.js")[2].decode()
    files |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', script)}
    assert len(files) >= 7
    assert {name: proxy.ask("GET", f"{prefix}/{name}")[0] for name in files} == dict.fromkeys(files, 200)


def test_a_prefix_without_its_slash_leads_to_the_page(site: tuple[Proxy, str]) -> None:
    proxy, prefix = site
    status, headers, _ = proxy.ask("GET", prefix or "/")
    if prefix:  # links on the page are relative, so the slash matters
        assert status in (301, 302)
        assert headers["Location"].endswith("/bears/")
    else:
        assert status == 200


@pytest.mark.parametrize("megabytes", [0.01, 15])
def test_photos_up_to_the_limit_pass(site: tuple[Proxy, str], megabytes: float) -> None:
    proxy, prefix = site
    status, _, body = proxy.ask("POST", f"{prefix}/v1/predict", large_photo(int(megabytes * 1e6)), **TYPE)
    assert status == 200, body
    assert json.loads(body)["image"]["format"] == "BMP"


@pytest.mark.parametrize("chunked", [False, True])
def test_longer_bodies_get_413(site: tuple[Proxy, str], chunked: bool) -> None:
    proxy, prefix = site
    body = bytes(SETTINGS.max_body_bytes + 1_000_000)
    status, _, _ = proxy.ask("POST", f"{prefix}/v1/predict", body, chunked=chunked, **TYPE)
    assert status == 413


PRIVATE = ["/metrics", "/readyz", "/livez", "/v2/health/ready", "/v2/health/live"]
DISGUISED = ["/%6detrics", "/metrics?x=1", "/x/../metrics", "/./metrics", "//metrics", "/metrics/", "/METRICS"]


@pytest.mark.parametrize("path", PRIVATE + DISGUISED)
def test_health_and_metrics_are_not_public(site: tuple[Proxy, str], path: str) -> None:
    proxy, prefix = site
    status, _, body = proxy.ask("GET", prefix + path)
    assert status in (400, 404)
    assert b"fieldguide" not in body
    assert b"ready" not in body


def test_request_ids_pass_in_both_directions(site: tuple[Proxy, str]) -> None:
    proxy, prefix = site
    photo = make_image()
    assert (
        proxy.ask("POST", f"{prefix}/v1/predict", photo, **TYPE, X_Request_ID="mine-1")[1]["X-Request-ID"] == "mine-1"
    )
    assert len(proxy.ask("POST", f"{prefix}/v1/predict", photo, **TYPE)[1]["X-Request-ID"]) == 32


def test_plain_http_leads_to_tls(site: tuple[Proxy, str]) -> None:
    proxy, prefix = site
    with socket.create_connection(("127.0.0.1", proxy.http_port), timeout=10) as connection:
        connection.sendall(f"GET {prefix}/ HTTP/1.1\r\nHost: bears.example.org\r\n\r\n".encode())
        answer = connection.recv(4096).decode()
    assert re.match(r"HTTP/1.1 30[18] ", answer)
    assert "Location: https://bears.example.org" in answer


STARTS: dict[str, tuple[Callable[..., Proxy], str, tuple[str, str]]] = {
    "caddy": (caddy, CADDYFILE, ("read_header 10s", "read_header 1s")),
    "nginx": (nginx, NGINX_CONF, ("client_header_timeout 10s", "client_header_timeout 1s")),
}


@pytest.mark.parametrize("name", STARTS)
def test_slow_clients_are_cut(server: RunningServer, name: str, tmp_path: Path) -> None:
    """One that does not end its headers, by the proxy; one that drips its body, by the service through the proxy."""
    start, text, shorter = STARTS[name]
    with start(tmp_path, server.url.removeprefix("http://"), replaced(text, shorter)) as proxy:
        began = time.monotonic()
        with proxy.connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: bears.example.org\r\nX-Slow: ")
            assert b"200" not in connection.recv(4096)
        with proxy.connect() as connection:
            connection.sendall(
                b"POST /v1/predict HTTP/1.1\r\nHost: bears.example.org\r\nContent-Type: image/png\r\n"
                b"Content-Length: 1000000\r\n\r\n"
            )
            answer = threading.Event()
            threading.Thread(target=_drip, args=(connection, answer), daemon=True).start()
            first = connection.recv(4096)
            answer.set()
        assert first.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 9


def _drip(connection: ssl.SSLSocket, stop: threading.Event) -> None:
    while not stop.wait(0.2):
        try:
            connection.sendall(b"x")
        except OSError:
            return


def test_requests_wait_while_the_service_restarts_behind_caddy(bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    with caddy(tmp_path, f"127.0.0.1:{port}") as proxy:
        answers: list[int] = []
        client = threading.Thread(target=lambda: answers.append(proxy.ask("GET", "/")[0]))
        client.start()
        time.sleep(0.5)
        assert not answers
        with RunningServer(bundle, "--port", str(port)):
            client.join(timeout=20)
    assert answers == [200]


def seconds(pattern: str, text: str) -> float:
    found = re.search(pattern + r" (\d+)s\b", text)
    assert found, f"{pattern} is missing"
    return float(found[1])


def check_caddyfile(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a Caddyfile."""
    path = folder / "Caddyfile"
    path.write_text(text)
    command = [program("caddy"), "validate", "--adapter", "caddyfile", "--config", str(path)]
    environ = {**os.environ, "HOME": str(folder)}
    result = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if result.returncode:
        return [result.stderr]
    limit = re.search(r"max_size (\d+)MiB", text)
    waits = seconds("response_header_timeout", text)
    return complaints(
        {
            "the body limit is not that of the service": not limit or int(limit[1]) * 2**20 != SETTINGS.max_body_bytes,
            "bodies are cut before the service cuts them": min(seconds("read_body", text), seconds("write", text))
            <= SETTINGS.max_body_bytes / SLOWEST_BYTES_PER_S,
            "connections are kept longer than the service keeps them": seconds("\tkeepalive", text)
            >= SETTINGS.keep_alive_s,
            "the service has less time than its deadline": waits <= SETTINGS.body_timeout_s + SETTINGS.deadline_s,
            "metrics or health are public": "@private path /livez /readyz /metrics /v2/health/*" not in text,
        }
    )


def check_nginx(text: str, folder: Path) -> list[str]:
    """Return what is wrong with a server of nginx."""
    main = write_nginx(folder, text, port=free_port(), http_port=free_port())
    command = [program("nginx"), "-t", "-c", str(main), "-p", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        return [result.stderr]
    limit = re.search(r"client_max_body_size (\d+)m;", text)
    waits = seconds("proxy_read_timeout", text)
    kept = seconds(r"keepalive 32;\n(?:.*\n)*?    keepalive_timeout", text)
    return complaints(
        {
            "the body limit is not that of the service": not limit or int(limit[1]) * 2**20 != SETTINGS.max_body_bytes,
            "photos are written to the disk": "proxy_request_buffering off;" not in text,
            "connections are kept longer than the service keeps them": kept >= SETTINGS.keep_alive_s,
            "connections are not kept": 'proxy_set_header Connection "";' not in text,
            "the service has less time than its deadline": waits <= SETTINGS.body_timeout_s + SETTINGS.deadline_s,
            "metrics or health are public": "(livez|readyz|metrics|v2/health/.*)$ {" not in text,
        }
    )


def complaints(found: dict[str, bool]) -> list[str]:
    return [message for message, wrong in found.items() if wrong]


def test_the_files_are_right(tmp_path: Path) -> None:
    assert check_caddyfile(CADDYFILE, tmp_path) == []
    assert check_caddyfile(caddyfile_under_a_prefix(), tmp_path) == []
    assert check_nginx(NGINX_CONF, tmp_path) == []
    assert check_nginx(nginx_under_a_prefix(), tmp_path) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\treverse_proxy", "\treverse_prox", "unrecognized directive"),
        ("import bears", "import bear", "File to import not found"),
        ("max_size 20MiB", "max_size 20MB", "body limit"),
        ("read_body 720s", "read_body 15s", "cut before"),
        ("write 780s", "write 60s", "cut before"),
        ("\tkeepalive 60s", "\tkeepalive 90s", "kept longer"),
        ("response_header_timeout 25s", "response_header_timeout 5s", "less time"),
        ("/readyz /metrics", "/readyz", "public"),
    ],
)
def test_mistakes_in_the_caddyfile_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in "".join(check_caddyfile(replaced(CADDYFILE, (old, new)), tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("server_tokens off;", "server_tokens off", "invalid number of arguments"),
        ("proxy_pass http://bears;", "proxy_pas http://bears;", "unknown directive"),
        ("client_max_body_size 20m;", "client_max_body_size 1m;", "body limit"),
        ("    proxy_request_buffering off;", "", "disk"),
        ("    keepalive_timeout 60s;", "    keepalive_timeout 90s;", "kept longer"),
        ('    proxy_set_header Connection "";\n', "", "not kept"),
        ("proxy_read_timeout 25s;", "proxy_read_timeout 5s;", "less time"),
        ("(livez|readyz|metrics", "(livez|readyz|metric", "public"),
    ],
)
def test_mistakes_in_the_nginx_server_are_found(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert message in "".join(check_nginx(replaced(NGINX_CONF, (old, new)), tmp_path))
