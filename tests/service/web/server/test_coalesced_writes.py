from __future__ import annotations

import re
from pathlib import Path

from tests.support.bundles import make_image
from tests.support.server import RunningServer, upload


def test_a_response_arrives_in_one_piece(bundle_path: Path) -> None:
    with RunningServer(bundle_path) as server, server.connect() as connection:
        for _ in range(20):
            connection.sendall(upload("/v1/predict", make_image()))
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert f"content-length: {len(body)}".encode() in head.lower()


def test_held_data_are_sent_before_the_connection_is_closed(bundle_path: Path) -> None:
    with RunningServer(bundle_path) as server, server.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    assert response.startswith(b"HTTP/1.1 200")
    assert response.endswith(b"}")


def test_many_requests_in_one_write_get_their_responses_in_order(bundle_path: Path) -> None:
    with RunningServer(bundle_path) as server, server.connect() as connection:
        requests = [f"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-ID: n{number}\r\n\r\n" for number in range(10)]
        connection.sendall("".join(requests).encode())
        found, data = [], b""
        while len(found) < len(requests):
            data += connection.recv(65536)
            found = re.findall(rb"x-request-id: n(\d)\r\n", data)
    assert found == [str(number).encode() for number in range(10)]
