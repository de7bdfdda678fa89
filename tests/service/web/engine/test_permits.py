"""Which requests are admitted, wait or are rejected: with a real server, and images that decode in half a second."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.faulty import HANGS, NOT_A_NUMBER, RAISES, SLOW, SLOW_S, image_of
from tests.support.problems import assert_problem
from tests.support.server import RunningServer, read_response, upload, upload_head

FAULTY = "tests.support.faulty"
RAW = {"Content-Type": "image/png"}


def gauge(server: RunningServer, name: str) -> float:
    lines = httpx.get(server.url + "/metrics").text.splitlines()
    (value,) = [line.split(" ")[-1] for line in lines if line.startswith(f"fieldguide_{name} ")]
    return float(value)


def wait_until(condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def connections(server: RunningServer, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(server.connect()) for _ in range(count)]


def reset(connection: socket.socket) -> None:
    """Reset a connection, like a client that crashes."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.mark.parametrize(("slots", "queue_per_slot"), [(1, 4), (2, 1), (1, 0)])
def test_exactly_the_surplus_is_rejected_at_once(bundle_path: Path, slots: int, queue_per_slot: int) -> None:
    flags = ["--threads", str(slots), "--queue-per-slot", str(queue_per_slot)]
    places = slots * (1 + queue_per_slot)
    with RunningServer(bundle_path, *flags, module=FAULTY) as server, connections(server, places + 3) as clients:
        for client in clients:
            client.sendall(upload("/v1/predict", image_of(SLOW)))
            time.sleep(0.02)
        start = time.monotonic()
        for client in clients[places:]:
            status, headers, body = read_response(client)
            assert (status, headers["retry-after"]) == (429, "1")
            assert json.loads(body)["status"] == 429
        assert time.monotonic() - start < SLOW_S
        assert httpx.get(server.url + "/livez").status_code == 200
        assert gauge(server, "in_flight") <= places
        assert [read_response(client)[0] for client in clients[:places]] == [200] * places
        assert gauge(server, "in_flight") == gauge(server, "queue_depth") == 0
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200
        assert 'fieldguide_rejected_total{cause="queue_full"} 3.0' in httpx.get(server.url + "/metrics").text


def test_stalled_uploads_take_no_place_of_the_queue(bundle_path: Path) -> None:
    """Two of them kept everybody else out."""
    flags = ("--threads", "1", "--queue-per-slot", "0", "--body-timeout-s", "1")
    with RunningServer(bundle_path, *flags) as server, connections(server, 5) as clients:
        for client in clients:
            client.sendall(upload_head("/analyze", 1000) + b"half")
        wait_until(lambda: gauge(server, "uploads") == 5)
        assert gauge(server, "in_flight") == 0
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200
        for path in ("/livez", "/readyz", "/metrics", "/v1/model", "/"):
            assert httpx.get(server.url + path).status_code == 200
        assert [read_response(client)[0] for client in clients] == [408] * 5
        assert gauge(server, "uploads") == 0
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200


def test_a_request_whose_client_disconnects_in_the_queue_does_not_start(bundle_path: Path) -> None:
    with RunningServer(bundle_path, "--threads", "1", module=FAULTY) as server, connections(server, 4) as clients:
        for client in clients:
            client.sendall(upload("/analyze", image_of(SLOW)))
        wait_until(lambda: gauge(server, "queue_depth") == 3)
        start = time.monotonic()
        for client in clients[1:]:
            reset(client)
        wait_until(lambda: gauge(server, "in_flight") == 1)
        assert gauge(server, "queue_depth") == 0
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200
        assert time.monotonic() - start < 2 * SLOW_S
        assert server.log.count("client disconnected") == 3


def test_a_request_whose_client_disconnects_while_it_runs_frees_its_place(bundle_path: Path) -> None:
    flags = ("--threads", "1", "--queue-per-slot", "0")
    with RunningServer(bundle_path, *flags, module=FAULTY) as server, connections(server, 1) as clients:
        clients[0].sendall(upload("/analyze", image_of(SLOW)))
        wait_until(lambda: gauge(server, "in_flight") == 1)
        reset(clients[0])
        wait_until(lambda: gauge(server, "in_flight") == 0)
        wait_until(lambda: gauge(server, "slots_lost") == 0)
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200


def test_a_half_closed_request_that_is_reset_frees_its_place(bundle_path: Path) -> None:
    """Nobody reads from a half-closed connection any more, so that the reset must be asked for."""
    flags = ("--threads", "1", "--queue-per-slot", "3")
    with RunningServer(bundle_path, *flags, module=FAULTY) as server, connections(server, 4) as clients:
        for client in clients:
            client.sendall(upload("/analyze", image_of(SLOW)))
            client.shutdown(socket.SHUT_WR)
        wait_until(lambda: gauge(server, "queue_depth") == 3)
        for client in clients[1:]:
            reset(client)
        wait_until(lambda: gauge(server, "queue_depth") == 0, within_s=2 * SLOW_S + 1)
        assert read_response(clients[0])[0] == 200
        assert server.log.count("client disconnected") >= 2


def test_decoding_that_hangs_costs_its_slot(bundle_path: Path) -> None:
    flags = ("--threads", "2", "--deadline-s", "0.5", "--stuck-s", "1")
    with (
        RunningServer(bundle_path, *flags, module=FAULTY) as server,
        httpx.Client(base_url=server.url, headers=RAW) as client,
    ):
        response = client.post("/v1/predict", content=image_of(HANGS))
        assert "0.5 seconds" in assert_problem(response, 503)
        assert response.headers["retry-after"] == "5"
        assert gauge(server, "slots_lost") == 1
        assert client.get("/readyz").status_code == client.get("/livez").status_code == 200
        assert client.post("/analyze", content=make_image()).json() == {"result": "red"}

        assert_problem(client.post("/v1/predict", content=image_of(HANGS)), 503)
        assert_problem(client.get("/readyz"), 503)
        assert client.get("/livez").status_code == 200
        assert_problem(client.post("/analyze", content=make_image()), 503)
        wait_until(lambda: client.get("/livez").status_code == 503)
        assert 'fieldguide_rejected_total{cause="deadline"} 3.0' in client.get("/metrics").text
        assert gauge(server, "failures_total") == 3
        assert server.stop() == 0  # threads that hang do not keep it


def test_decoding_that_is_late_returns_its_slot(bundle_path: Path) -> None:
    flags = ("--threads", "1", "--deadline-s", "0.2", "--stuck-s", "0.1")
    with RunningServer(bundle_path, *flags, module=FAULTY) as server:
        assert_problem(httpx.post(server.url + "/analyze", content=image_of(SLOW), headers=RAW), 503)
        wait_until(lambda: gauge(server, "slots_lost") == 0)
        assert httpx.get(server.url + "/livez").status_code == httpx.get(server.url + "/readyz").status_code == 200
        assert httpx.post(server.url + "/analyze", content=make_image(), headers=RAW).status_code == 200


def test_inference_that_hangs_is_stopped(endless_path: Path) -> None:
    from tests.support.endless import WHITE

    with RunningServer(endless_path, "--threads", "1", "--deadline-s", "0.5") as server:
        for _ in range(2):
            assert_problem(httpx.post(server.url + "/analyze", content=WHITE, headers=RAW), 503)
            wait_until(lambda: gauge(server, "slots_lost") == 0)
            response = httpx.post(server.url + "/analyze", content=make_image(), headers=RAW)
            assert response.json() == {"result": "red"}


@pytest.mark.parametrize("fault", [RAISES, NOT_A_NUMBER])
def test_it_is_not_ready_after_repeated_failures(bundle_path: Path, fault: int) -> None:
    with (
        RunningServer(bundle_path, "--log-format", "json", module=FAULTY) as server,
        httpx.Client(base_url=server.url, headers=RAW) as client,
    ):
        for number in range(5):
            assert client.get("/readyz").status_code == 200, number
            detail = assert_problem(client.post("/v1/predict", content=image_of(fault)), 500)
            assert "secret" not in detail
        assert_problem(client.get("/readyz"), 503)
        assert client.get("/livez").status_code == 200
        assert gauge(server, "failures_total") == 5
        assert client.post("/v1/predict", content=b"no image").status_code == 415
        assert client.get("/readyz").status_code == 200  # whatever was answered ends the row
