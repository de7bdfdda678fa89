"""Slow bodies: how long each may take, and how many may arrive at the same time."""

from __future__ import annotations

import concurrent.futures
import json
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from service.memory import upload_bytes
from tests.support.bundles import make_image
from tests.support.server import RunningServer, read_response, upload_head

IMAGE = make_image("red", size=(120, 90), encoding="BMP")


@pytest.fixture(scope="module")
def patient(bundle_path: Path) -> Iterator[RunningServer]:
    """A body may take any time, if 2,000 bytes come in each second."""
    with RunningServer(bundle_path, "--body-timeout-s", "1", "--min-body-bytes-per-s", "2000") as server:
        yield server


def trickle(connection: socket.socket, data: bytes, *, bytes_per_s: int) -> None:
    """Send ten times a second; the server may end the connection before."""
    step = bytes_per_s // 10
    try:
        for start in range(0, len(data), step):
            connection.sendall(data[start : start + step])
            time.sleep(0.1)
    except ConnectionError:
        return


def uploads(server: RunningServer) -> int:
    (line,) = [
        line for line in httpx.get(server.url + "/metrics").text.splitlines() if line.startswith("fieldguide_uploads ")
    ]
    return int(float(line.split()[1]))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_body_above_the_minimum_rate_may_take_longer_than_the_timeout(patient: RunningServer) -> None:
    """A photo of 3.8 MB from a phone with 300 KB/s got 408 after 10 s."""
    start = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", len(IMAGE)))
        trickle(connection, IMAGE, bytes_per_s=12_000)
        assert read_response(connection)[0] == 200
    assert time.monotonic() - start > 2


def test_a_body_below_the_minimum_rate_is_rejected(patient: RunningServer) -> None:
    start = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", 50_000))
        trickle(connection, bytes(1200), bytes_per_s=1000)
        status, _, body = read_response(connection)
    assert status == 408
    assert "2,000 bytes a second" in json.loads(body)["detail"]
    assert 0.9 < time.monotonic() - start < 3


@pytest.mark.parametrize("first", [0, 1, 1999, 30_000], ids=lambda first: f"after {first} bytes")
@pytest.mark.parametrize("rest", [0, 1], ids=["nothing more", "a byte now and then"])
def test_a_body_that_stalls_is_rejected_however_much_came_before(patient: RunningServer, first: int, rest: int) -> None:
    """What came fast at first must not be a credit for a stall."""
    start = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", 50_000) + bytes(first))
        for _ in range(8 * rest):
            connection.sendall(b"x")
            time.sleep(0.1)
        assert read_response(connection)[0] == 408
    assert 0.9 < time.monotonic() - start < 3


def test_any_rate_is_accepted_if_the_settings_say_so(bundle_path: Path) -> None:
    flags = ("--body-timeout-s", "0.6", "--min-body-bytes-per-s", "0")
    with RunningServer(bundle_path, *flags) as server, server.connect() as connection:
        image = make_image("red")
        connection.sendall(upload_head("/analyze", len(image)))
        for place in range(4):
            connection.sendall(image[place : place + 1])
            time.sleep(0.3)
        connection.sendall(image[4:])
        assert read_response(connection)[0] == 200


def test_a_body_in_many_small_pieces_is_put_together(patient: RunningServer) -> None:
    with patient.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(upload_head("/analyze", 0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked"))
        places = [*range(0, 500), *range(500, len(IMAGE), 13)]
        for start, stop in zip(places, [*places[1:], len(IMAGE)], strict=True):
            connection.sendall(b"%x\r\n%b\r\n" % (stop - start, IMAGE[start:stop]))
        connection.sendall(b"0\r\n\r\n")
        assert read_response(connection)[2] == b'{"result":"red"}'


def test_fifty_slow_uploads_are_served_and_fast_clients_meanwhile(bundle_path: Path) -> None:
    """At 30 KB/s, with one slot and no queue: they took every place, and fast clients got 429."""
    with RunningServer(bundle_path, "--threads", "1", "--queue-per-slot", "0") as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(50)]
        image = make_image("blue", size=(150, 100), encoding="BMP")  # 45 KB
        for client in clients:
            client.sendall(upload_head("/analyze", len(image)))
        wait_until(lambda: uploads(server) == 50)
        with httpx.Client(base_url=server.url) as fast:
            for start in range(0, len(image) - 3000, 3000):
                for client in clients:
                    client.sendall(image[start : start + 3000])
                assert fast.post("/analyze", content=IMAGE).json() == {"result": "red"}
                time.sleep(0.02)
        for client in clients:
            client.sendall(image[start + 3000 :])
            assert read_response(client)[2] == b'{"result":"blue"}'
        assert uploads(server) == 0


def test_sigterm_in_the_middle_of_slow_uploads_ends_in_time(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--drain-s", "1") as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(50)]
        for client in clients:
            client.sendall(upload_head("/analyze", 1_000_000) + bytes(1000))
        wait_until(lambda: uploads(server) == 50)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert {read_response(client)[0] for client in clients} == {503}
        assert server.process.wait(timeout=10) == 0
        assert time.monotonic() - start < 4
        assert "Traceback" not in server.log


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux reports resident memory")
def test_the_memory_of_many_uploads_is_returned(bundle_path: Path) -> None:
    """It stayed in the allocator: 140 MB after 50 photos."""

    def resident_bytes() -> int:
        return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * resource.getpagesize()

    with RunningServer(bundle_path) as server:
        httpx.post(server.url + "/analyze", content=IMAGE)
        before = resident_bytes()
        with ExitStack() as stack:
            clients = [stack.enter_context(server.connect()) for _ in range(40)]
            for client in clients:
                client.sendall(upload_head("/analyze", 4_000_000))
            for _ in range(70):
                for client in clients:
                    client.sendall(bytes(30_000))
            wait_until(lambda: resident_bytes() - before > 80_000_000)
        wait_until(lambda: uploads(server) == 0)
        assert resident_bytes() - before < 30_000_000


def test_bodies_that_arrive_share_the_memory_of_the_settings(bundle_path: Path) -> None:
    flags = ("--max-upload-memory", str(3 * upload_bytes(1000)), "--max-body-bytes", "1000000")
    with RunningServer(bundle_path, *flags) as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(3)]
        for client in clients:
            client.sendall(upload_head("/analyze", 1000) + b"half")
        wait_until(lambda: uploads(server) == 3)
        refused = httpx.post(server.url + "/analyze", content=IMAGE)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert "uploads" in refused.json()["detail"]
        assert 'fieldguide_rejected_total{cause="uploads_full"} 1.0' in httpx.get(server.url + "/metrics").text
        for client in clients:
            client.close()
        wait_until(lambda: uploads(server) == 0)
        # One may always arrive, however little memory there is; a length that is not announced counts as the longest.
        large = make_image("green", size=(500, 400), encoding="BMP")
        assert httpx.post(server.url + "/analyze", content=large).json() == {"result": "green"}
        assert httpx.post(server.url + "/analyze", content=iter([large])).json() == {"result": "green"}
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            found = threads.map(lambda _: httpx.post(server.url + "/analyze", content=large).status_code, range(24))
            assert set(found) <= {200, 429}
        assert uploads(server) == 0
