from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.web.upload.upload import Upload
from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.programs import program
from tests.support.server import RunningServer, exchange, read_response

MAX_BODY_BYTES = 200_000  # of the fixture `server`
BOUNDARY = "frontier"


def part(disposition: str, content: bytes, *headers: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: {disposition}", *headers])
    return f"--{BOUNDARY}\r\n{head}\r\n\r\n".encode() + content + b"\r\n"


def post_form(client: httpx.Client, *parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode()) -> httpx.Response:
    headers = {"Content-Type": f'multipart/form-data; boundary="{BOUNDARY}"'}
    return client.post("/analyze", content=b"".join(parts) + end, headers=headers)


FILE = part('form-data; name="file"; filename="a.png"', make_image("red"))


def test_accepted_forms(client: httpx.Client) -> None:
    for parts in (
        [FILE],
        [part('form-data; name="note"', b"hello"), FILE],
        [part('form-data; name="file"', make_image("red"))],
        [part("form-data; name=file; filename*=UTF-8''a.png", make_image("red"), "Content-Type: text/html")],
        [b"\r\n", FILE],
    ):
        assert post_form(client, *parts).json() == {"result": "red"}


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "malformed|no part"),
        ([part('form-data; name="note"', b"hello")], "no part named 'file'"),
        ([part('form-data; name="image"; filename="a.png"', make_image())], "'image'"),
        ([FILE, FILE], "more than one"),
        ([FILE, part('form-data; name="other"; filename="b.png"', make_image())], "'other'"),
        ([part('form-data; name="file"; filename="a.png"', b"")], "empty"),
        ([part("form-data", make_image())], "name"),
        ([part("attachment; name=file", make_image())], "Content-Disposition"),
        ([part('form-data; name="note"', b"")] * 17 + [FILE], "16 parts"),
        ([part('form-data; name="file"', make_image(), *["X: y"] * 8)], "8 headers"),
        ([part('form-data; name="file"', make_image(), "X: " + "y" * 9000)], "8,192 bytes"),
        ([part('form-data; name="file"', make_image(), "B@d header")], "malformed"),
    ],
)
def test_forms_that_are_not_accepted(client: httpx.Client, parts: list[bytes], reason: str) -> None:
    detail = assert_problem(post_form(client, *parts), 400)
    assert any(word in detail for word in reason.split("|")), detail


def test_form_without_its_end(client: httpx.Client) -> None:
    assert_problem(post_form(client, FILE, end=b""), 400)
    assert_problem(post_form(client, FILE[:-40], end=b""), 400)
    assert_problem(post_form(client, b"something else altogether"), 400)


@pytest.mark.parametrize("parameter", ["", "; boundary=", "; boundary=" + "b" * 71, "; charset=utf-8"])
def test_form_without_a_boundary(client: httpx.Client, parameter: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{parameter}"}
    assert "boundary" in assert_problem(client.post("/analyze", content=FILE, headers=headers), 400)


def test_an_image_that_contains_what_looks_like_a_boundary(client: httpx.Client) -> None:
    data = make_image("red") + f"\r\n--{BOUNDARY[:-1]}\r\n--\r\r\n-".encode()
    assert post_form(client, part('form-data; name="file"', data)).json() == {"result": "red"}


def test_too_large_as_announced(client: httpx.Client) -> None:
    response = client.post("/analyze", content=bytes(MAX_BODY_BYTES + 1), headers={"Content-Type": "image/png"})
    assert f"{MAX_BODY_BYTES:,}" in assert_problem(response, 413)
    at_most = client.post("/analyze", content=bytes(MAX_BODY_BYTES), headers={"Content-Type": "image/png"})
    assert_problem(at_most, 415)


def test_a_body_that_is_too_large_is_rejected_before_it_is_sent(server: RunningServer) -> None:
    status, headers, _ = exchange(
        server, b"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert status == 413
    assert headers["connection"] == "close"


def test_too_large_as_sent(client: httpx.Client, server: RunningServer) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(1 + MAX_BODY_BYTES // 10_000):
            yield bytes(10_000)

    response = client.post("/analyze", content=chunks(), headers={"Content-Type": "image/png"})
    assert_problem(response, 413)


def test_an_endless_sender_is_cut_off(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(
            b"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(ConnectionError):
            _send_for(20, connection, b"2710\r\n" + bytes(10_000) + b"\r\n")


def _send_for(duration_s: float, connection: socket.socket, chunk: bytes) -> None:
    deadline = time.monotonic() + duration_s
    while time.monotonic() < deadline:
        connection.sendall(chunk)
        time.sleep(0.01)


@pytest.mark.parametrize(
    "media_type",
    [None, "application/x-www-form-urlencoded", "Application/X-WWW-form-urlencoded; q=1", "binary/octet-stream"],
)
@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
def test_an_image_whose_type_nobody_named(client: httpx.Client, media_type: str | None, encoding: str) -> None:
    """`curl --data-binary @photo.jpg` names the type of a form, urllib too, and others none: all of them got 415."""
    headers = {"Content-Type": media_type} if media_type else {}
    for path in ("/analyze", "/v1/predict"):
        response = client.post(path, content=make_image("red", encoding=encoding), headers=headers)
        assert response.status_code == 200, response.text


def test_clients_that_name_no_type_themselves(server: RunningServer, tmp_path: Path) -> None:
    image = make_image("red", size=(200, 150), encoding="JPEG")
    with urllib.request.urlopen(urllib.request.Request(f"{server.url}/analyze", data=image)) as response:
        assert json.load(response) == {"result": "red"}
    (tmp_path / "a.jpg").write_bytes(image)
    for arguments in (["--data-binary", "@a.jpg"], ["-H", "Content-Type:", "--data-binary", "@a.jpg"], ["-T", "a.jpg"]):
        command = [program("curl"), "--silent", "--request", "POST", *arguments, f"{server.url}/analyze"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert done.stdout == '{"result":"red"}', arguments


@pytest.mark.parametrize("encoding", ["PNG", "JPEG", "BMP", "WEBP", "GIF"])
def test_what_curl_makes_of_an_image_as_data_is_explained(client: httpx.Client, encoding: str) -> None:
    """`curl -d @photo.jpg` leaves bytes out, `curl -d file=@photo.jpg` sends these very letters."""
    kept = bytes(byte for byte in make_image("red", encoding=encoding) if byte not in b"\0\r\n")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (kept, b"file=@photo.jpg", b"file=%40photo.jpg&top_k=3"):
        assert "--data-binary" in assert_problem(client.post("/analyze", content=body, headers=headers), 415)


@pytest.mark.parametrize("path", ["photo.jpg", "/home/me/my photos/Foto.JPEG", "C:\\photos\\1.webp"])
def test_a_path_that_curl_sends_in_place_of_its_file_is_explained(client: httpx.Client, path: str) -> None:
    """`curl -F file=photo.jpg`, without @, sends these very letters."""
    problem = assert_problem(client.post("/analyze", files={"file": (None, path)}), 415)
    assert "write @ before the path: -F file=@photo.jpg" in problem


def test_slow_body(server: RunningServer) -> None:
    start = time.monotonic()
    status, headers, body = exchange(
        server,
        b"POST /v1/predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\n",
        b"x",
    )
    assert status == 408
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["status"] == 408
    assert 0.9 < time.monotonic() - start < 5


def test_client_that_disconnects(server: RunningServer, client: httpx.Client) -> None:
    for path in ("/v1/predict", "/analyze"):
        with server.connect() as connection:
            connection.sendall(
                f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n".encode()
                + b"Content-Length: 1000\r\n\r\nabc"
            )
            time.sleep(0.1)
    time.sleep(0.2)
    assert client.get("/livez").status_code == 200
    assert server.log.count("client disconnected") >= 2
    assert "Traceback" not in server.log
    assert " 500 " not in server.log


def test_an_error_before_the_body_has_arrived_closes_the_connection(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nhello")
        status, headers, _ = read_response(connection)
        assert (status, headers["connection"]) == (404, "close")
        connection.sendall(b"!")
        assert connection.recv(1) == b""


def test_an_error_keeps_the_connection_if_the_unread_body_has_arrived(server: RunningServer) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
            status, headers, _ = read_response(connection)
            assert status == 404
            assert "connection" not in headers


def test_an_error_does_not_request_a_body_that_waits_for_100_continue(server: RunningServer) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert read_response(connection)[0] == 404


def test_errors_keep_the_connection_if_the_request_was_read(server: RunningServer) -> None:
    with server.connect() as connection:
        for _ in range(3):
            connection.sendall(
                b"POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 5\r\n\r\nhello"
            )
            status, headers, _ = read_response(connection)
            assert status == 415
            assert "connection" not in headers


def test_expect_continue(server: RunningServer) -> None:
    image = make_image("blue")
    with server.connect() as connection:
        head = "POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Length: {len(image)}\r\n\r\n".encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        connection.sendall(image)
        status, _, body = read_response(connection)
    response: Any = json.loads(body)
    assert (status, response) == (200, {"result": "blue"})


def test_a_form_is_released_when_its_file_is_taken_out() -> None:
    body = FILE + f"--{BOUNDARY}--\r\n".encode()
    upload = Upload(body, boundary=BOUNDARY.encode())
    held = sys.getrefcount(body)
    assert upload.take_image() == make_image("red")
    assert sys.getrefcount(body) == held - 1
