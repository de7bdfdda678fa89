"""Limits on connections, before there is a request."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.server import RunningServer, exchange, read_response, upload, upload_head

START = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
CHUNKED = upload_head("/analyze", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")


@pytest.fixture(scope="module")
def bounded(bundle_path: Path) -> Iterator[RunningServer]:
    flags = ("--header-timeout-s", "1", "--body-timeout-s", "1", "--max-connections", "20")
    with RunningServer(bundle_path, *flags) as server:
        yield server


def ask(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def resident_bytes(server: RunningServer) -> int:
    fields = Path(f"/proc/{server.process.pid}/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()


def assert_refused(response: tuple[int, dict[str, str], bytes], status: int) -> None:
    found, headers, body = response
    assert found == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert {"date", "x-content-type-options", "content-security-policy"} <= set(headers)
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["detail"].endswith(".")
    assert problem["request_id"] == headers["x-request-id"]


def send_until_closed(connection: socket.socket, start: bytes, piece: bytes, *, most_bytes: int) -> int:
    """Return how many bytes the server accepted before it closed the connection."""
    connection.sendall(start)
    sent = len(start)
    try:
        while sent < most_bytes:
            connection.sendall(piece)
            sent += len(piece)
    except ConnectionError:
        return sent
    raise AssertionError(f"the server took {sent} bytes")


def ends(connection: socket.socket) -> bool:
    try:
        while connection.recv(65536):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_hundred_headers_and_no_more(bounded: RunningServer) -> None:
    def request(count: int) -> bytes:
        return START + b"X: y\r\n" * (count - 1) + b"\r\n"

    assert exchange(bounded, request(100))[0] == 200
    assert_refused(exchange(bounded, request(101)), 431)
    assert_refused(exchange(bounded, request(10_000)), 431)


def test_64_kilobytes_of_headers_and_no_more(bounded: RunningServer) -> None:
    def request(length: int) -> bytes:
        head = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: "
        counted = len("/livez") + len("Host: x\r\n") + len("X: \r\n")
        return head + b"y" * (length - counted) + b"\r\n\r\n"

    assert exchange(bounded, request(65536))[0] == 200
    assert_refused(exchange(bounded, request(65537)), 431)
    assert_refused(exchange(bounded, b"GET /" + b"u" * 65537 + b" HTTP/1.1\r\nHost: x\r\n\r\n"), 431)


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (START + b"X: ", b"y" * 1000),
        (START, b"X: " + b"y" * 1000 + b"\r\n"),
        (b"GET /", b"u" * 1000),
        (b"", b"\r\n" * 1000),
        (CHUNKED + b"1\r\na\r\n0\r\nX: ", b"y" * 1000),
        (CHUNKED + b"1;x=", b"y" * 1000),
    ],
    ids=["one header", "headers", "path", "empty lines", "trailer", "chunk extension"],
)
def test_endless_headers_are_cut_off(bounded: RunningServer, start: bytes, piece: bytes) -> None:
    before = resident_bytes(bounded)
    with bounded.connect() as connection:
        send_until_closed(connection, start, piece, most_bytes=60_000_000)
    assert resident_bytes(bounded) - before < 5_000_000
    assert httpx.get(bounded.url + "/livez").status_code == 200


def test_headers_at_a_byte_at_a_time(bounded: RunningServer) -> None:
    start = time.monotonic()
    with bounded.connect() as connection:
        for byte in START:
            connection.send(bytes([byte]))
            time.sleep(0.05)
            if time.monotonic() - start > 0.9:
                break
        assert_refused(read_response(connection), 408)
        assert ends(connection)
    assert time.monotonic() - start < 3


def test_a_silent_connection_is_closed(bounded: RunningServer) -> None:
    start = time.monotonic()
    with bounded.connect() as connection:
        assert ends(connection)
    assert 0.9 < time.monotonic() - start < 3


def test_headers_of_a_second_request_have_their_own_timeout(bounded: RunningServer) -> None:
    with bounded.connect() as connection:
        connection.sendall(START + b"\r\n")
        assert read_response(connection)[0] == 200
        time.sleep(0.7)
        connection.sendall(START)
        time.sleep(0.7)
        connection.sendall(b"\r\n")
        assert read_response(connection)[0] == 200
        connection.sendall(START)
        assert_refused(read_response(connection), 408)


def test_an_empty_line_after_a_request_does_not_keep_a_connection_open(bounded: RunningServer) -> None:
    """It ends the timeout of an idle connection, and starts the timeout of the next request's headers."""
    with bounded.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_response(connection)[0] == 200
        connection.sendall(b"\r\n")
        assert_refused(read_response(connection), 408)


def test_the_timeout_of_headers_does_not_apply_to_bodies(bundle_path: Path) -> None:
    image = make_image()
    with RunningServer(bundle_path, "--header-timeout-s", "0.3") as server, server.connect() as connection:
        connection.sendall(upload_head("/analyze", len(image)) + image[:10])
        time.sleep(0.8)
        connection.sendall(image[10:])
        assert read_response(connection)[0] == 200


def test_too_many_connections_are_rejected_except_those_of_probes(bounded: RunningServer) -> None:
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(bounded.connect()) for _ in range(20)]
        held[0].sendall(ask("/v1/model"))
        assert read_response(held[0])[0] == 200
        for path in ("/v1/model", "/analyze", "/nothing", "/", "/livez/", "/metrics"):
            assert_refused(exchange(bounded, ask(path)), 503)
        for path in ("/livez", "/readyz", "/v2/health/live", "/v2/health/ready", "/readyz?verbose"):
            status, headers, _ = exchange(bounded, ask(path))
            assert (status, headers["connection"]) == (200, "close")
        held += [stack.enter_context(bounded.connect()) for _ in range(8)]
        assert_refused(exchange(bounded), 503)
    time.sleep(0.2)
    metrics = httpx.get(bounded.url + "/metrics").text
    assert 'fieldguide_rejected_total{cause="connections"} 7.0' in metrics


def test_bytes_that_are_not_http_get_a_problem(bounded: RunningServer) -> None:
    for nonsense in (b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100):
        assert_refused(exchange(bounded, nonsense), 400)


@pytest.mark.parametrize("length", ["-1", "text", "1e3", "0x10", "5, 5", "", "9" * 30])
def test_invalid_lengths(bounded: RunningServer, length: str) -> None:
    request = upload_head("/analyze", 0).replace(b"Content-Length: 0", f"Content-Length: {length}".encode())
    assert exchange(bounded, request, b"hello")[0] in (400, 413)


def test_a_length_together_with_chunks(bounded: RunningServer) -> None:
    request = upload_head("/analyze", 5, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n"
    assert_refused(exchange(bounded, request), 400)


def test_a_length_that_is_too_large_or_too_small(bounded: RunningServer) -> None:
    image = make_image()
    assert exchange(bounded, upload_head("/analyze", len(image) + 1) + image)[0] == 408
    # The rest is another request, which is malformed.
    assert_refused(exchange(bounded, upload_head("/analyze", len(image) - 12) + image), 400)


def test_trailers_are_not_taken_for_headers(bounded: RunningServer) -> None:
    request = CHUNKED.replace(b"/analyze", b"/nothing") + b"1\r\na\r\n0\r\nX-Request-ID: smuggled\r\n\r\n"
    status, headers, _ = exchange(bounded, request)
    assert status == 404
    assert headers["x-request-id"] != "smuggled"


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "a byte at a time"])
@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.3, h2c"])
def test_a_request_for_another_protocol_is_answered_in_this_one(
    bounded: RunningServer, protocol: str, at_once: bool
) -> None:
    """Java's own client sends every request like this, until it knows that there is no HTTP/2."""
    asked = (f"Upgrade: {protocol}", "Connection: keep-alive, Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
    image = make_image("red")
    with_length = upload("/analyze", image, *asked)
    in_chunks = with_length.replace(f"Content-Length: {len(image)}".encode(), b"Transfer-Encoding: chunked")
    in_chunks = in_chunks.replace(image, b"%x\r\n%b\r\n0\r\n\r\n" % (len(image), image))
    without_body = "\r\n".join([START.decode() + asked[0], *asked[1:], "", ""]).encode()
    with bounded.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in (without_body, with_length, in_chunks, without_body, with_length):
            for piece in [request] if at_once else [request[place : place + 1] for place in range(len(request))]:
                connection.sendall(piece)
            status, headers, body = read_response(connection)
            assert (status, headers.get("connection")) == (200, None)
            assert body in (b'{"status":"live"}', b'{"result":"red"}')
        connection.sendall(without_body * 5)
        data = b""
        while data.count(b'{"status":"live"}') < 5:
            data += connection.recv(65536)


@pytest.mark.parametrize(
    ("target", "path", "status"),
    [
        ("http://x", "/", 200),
        ("http://x/", "/", 200),
        ("HTTP://other.example:8000/livez", "/livez", 200),
        ("http://x?top_k=1", "/", 200),
        ("http://x/nothing?a=http://y/z", "/nothing", 404),
        ("https://user@[::1]:80/livez", "/livez", 200),
    ],
)
def test_an_absolute_target_is_its_path(bounded: RunningServer, target: str, path: str, status: int) -> None:
    """`GET http://host HTTP/1.1`, as some proxies ask, was malformed."""
    found, _, body = exchange(bounded, f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert found == status
    assert body == exchange(bounded, ask(path))[2] or status == 404


def test_the_host_of_an_absolute_target_counts(bundle_path: Path) -> None:
    """RFC 9112, 3.2.2. Otherwise the Host header could name a trusted host for a request to another one."""
    with RunningServer(bundle_path, "--trusted-hosts", "good.example") as server:
        for target, host, status in (
            ("http://good.example/v1/model", "evil.example", 200),
            ("http://evil.example/v1/model", "good.example", 400),
            ("http://good.example:80@evil.example/v1/model", "good.example", 400),
        ):
            assert exchange(server, f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())[0] == status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET /livez HTTP/1.1", 400),
        ("GET http://x/livez HTTP/1.1", 400),
        ("GET /livez HTTP/1.1\r\nHost: x\r\nHost: x", 400),
        ("GET /livez HTTP/1.0\r\nHost: x\r\nhost: y", 400),
        ("GET /livez HTTP/1.0", 200),
        ("GET /livez HTTP/1.1\r\nHost:", 200),
    ],
)
def test_a_request_has_one_host(bounded: RunningServer, head: str, status: int) -> None:
    """RFC 9112, 3.2: HTTP/1.1 without a Host header was answered."""
    response = exchange(bounded, f"{head}\r\n\r\n".encode())
    assert response[0] == status
    if status == 400:
        assert_refused(response, 400)


def test_a_client_that_closes_its_half_gets_its_answers(bounded: RunningServer) -> None:
    """`nc -N`, and clients that end their request by a FIN, got nothing."""
    asked = upload("/analyze", make_image("red"))
    red = b'{"result":"red"}'
    for requests, answers in ((asked, [red]), (ask("/livez") + asked, [b'"live"', red])):
        with bounded.connect() as connection:
            connection.sendall(requests)
            connection.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: connection.recv(65536), b""))
        assert received.count(b"HTTP/1.1 200") == len(answers)
        assert all(answer in received for answer in answers)
        assert received.lower().count(b"connection: close") == 1


def test_a_client_that_closes_its_half_within_a_request_has_left(bounded: RunningServer) -> None:
    for start in (START, upload_head("/analyze", 100) + b"half", b""):
        with bounded.connect() as connection:
            connection.sendall(start)
            connection.shutdown(socket.SHUT_WR)
            begun = time.monotonic()
            assert ends(connection)
            assert time.monotonic() - begun < 0.5


@pytest.mark.parametrize("origins", ["https://page.example", "https://other.example,https://page.example", "*"])
def test_rejections_of_the_connection_carry_cors_headers(bundle_path: Path, origins: str) -> None:
    """A page of an allowed origin saw a failed connection in place of 431."""
    with RunningServer(bundle_path, "--cors-origins", origins) as server:
        long, many, origin = b"X: " + b"y" * 70_000 + b"\r\n", b"X: y\r\n" * 101, b"Origin: https://page.example\r\n"
        for headers in (origin + long, origin + many, many + origin, b"Origin: https://page.example\r\nHost: a\r\n"):
            _, found, _ = response = exchange(server, START + headers + b"\r\n")
            assert_refused(response, 400 if b"Host" in headers else 431)
            assert found["access-control-allow-origin"] == ("*" if origins == "*" else "https://page.example")
            assert "X-Request-ID" in found["access-control-expose-headers"]
            assert found["vary"] == "Origin"
        strange = exchange(server, START + b"Origin: https://evil.example\r\n" + many + b"\r\n")[1]
        assert strange.get("access-control-allow-origin") == ("*" if origins == "*" else None)
        endless = exchange(server, START + b"X: " + b"y" * 300_000)[1]  # its Origin has not come yet
        assert endless.get("access-control-allow-origin") == (None if "," in origins else origins)


@pytest.mark.parametrize("target", ["example.org:443", "/", "/livez"])
def test_connect_is_rejected(bounded: RunningServer, target: str) -> None:
    assert_refused(exchange(bounded, f"CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()), 400)


def test_pipelined_requests_are_answered_in_order_and_limited(bounded: RunningServer) -> None:
    with bounded.connect() as connection:
        connection.sendall(b"".join(START + b"X-Request-ID: n%d\r\n\r\n" % number for number in range(20)))
        data = b""
        while data.count(b'{"status":"live"}') < 20:
            data += connection.recv(65536)
        found = [line for line in data.split(b"\r\n") if line.startswith(b"x-request-id")]
        assert found == [b"x-request-id: n%d" % number for number in range(20)]
    with bounded.connect() as connection:
        connection.sendall(upload("/analyze", make_image()) + (START + b"\r\n") * 1000)
        assert ends(connection)


def test_two_hundred_thousand_chunks_of_a_byte(bounded: RunningServer) -> None:
    before = processor_s(bounded)
    status, _, _ = exchange(bounded, CHUNKED, b"1\r\na\r\n" * 200_000, b"0\r\n\r\n")
    assert status in (408, 413, 415)
    assert processor_s(bounded) - before < 3


def processor_s(server: RunningServer) -> float:
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_client_that_does_not_read_its_response_is_disconnected(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--send-timeout-s", "1", "--header-timeout-s", "60") as server:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(20)
            connection.connect(server.address)
            with pytest.raises(ConnectionError):
                send_until_closed_slowly(connection, b"GET /page/app.js HTTP/1.1\r\nHost: x\r\n\r\n")
        assert httpx.get(server.url + "/livez").status_code == 200


def send_until_closed_slowly(connection: socket.socket, request: bytes) -> None:
    """Send more and more requests, and read nothing."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        connection.sendall(request)
        time.sleep(0.002)


def test_an_idle_connection_is_kept_for_the_time_in_the_settings(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--keep-alive-s", "2") as server, server.connect() as connection:
        connection.sendall(ask("/livez"))
        assert read_response(connection)[0] == 200
        time.sleep(0.7)
        connection.sendall(ask("/livez"))
        assert read_response(connection)[0] == 200
        assert connection.recv(1) == b""
