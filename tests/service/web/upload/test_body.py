"""The timeout and the minimum rate of a body."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bundles import make_image
from tests.support.server import RunningServer, read_response, upload_head


@pytest.fixture(scope="module")
def patient(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, "--body-timeout-s", "20", "--min-body-bytes-per-s", "2000") as server:
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


def test_a_body_below_the_minimum_rate_is_rejected_long_before_its_deadline(patient: RunningServer) -> None:
    start = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", 50_000))
        trickle(connection, bytes(3000), bytes_per_s=1000)
        status, _, body = read_response(connection)
    assert status == 408
    assert "2,000 bytes a second" in json.loads(body)["detail"]
    assert 2 < time.monotonic() - start < 8


def test_a_body_above_the_minimum_rate_is_accepted(patient: RunningServer) -> None:
    image = make_image("red", size=(120, 90), encoding="BMP")
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", len(image)))
        trickle(connection, image, bytes_per_s=10_000)
        assert read_response(connection)[0] == 200


def test_a_body_that_stalls_halfway_is_rejected(patient: RunningServer) -> None:
    start = time.monotonic()
    with patient.connect() as connection:
        connection.sendall(upload_head("/analyze", 1000) + bytes(500))
        assert read_response(connection)[0] == 408
    assert time.monotonic() - start < 6


def test_any_rate_is_accepted_if_the_settings_say_so(bundle_path: Path) -> None:
    flags = ("--body-timeout-s", "20", "--min-body-bytes-per-s", "0")
    with RunningServer(bundle_path, *flags) as server, server.connect() as connection:
        image = make_image("red")
        connection.sendall(upload_head("/analyze", len(image)) + image[:1])
        time.sleep(2.5)
        connection.sendall(image[1:])
        assert read_response(connection)[0] == 200
