"""Bad requests: forms, lengths, names. None causes a 5xx or keeps the service busy."""

from __future__ import annotations

import socket

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.problems import assert_problem
from tests.support.routes import UPLOADS
from tests.support.server import RunningServer

BOUNDARY = "frontier"
IMAGE = make_image("red")
LIMIT = 200_000  # of the fixture `server`
HEAD = "POST /analyze HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"


def part(headers: bytes, content: bytes = IMAGE) -> bytes:
    return f"--{BOUNDARY}\r\n".encode() + headers + b"\r\n\r\n" + content + b"\r\n"


NAMED = b'Content-Disposition: form-data; name="file"'
END = f"--{BOUNDARY}--\r\n".encode()
FIELD = part(b'Content-Disposition: form-data; name="note"', b"hello")


def post_form(client: httpx.Client, body: bytes, *, boundary: str = BOUNDARY) -> httpx.Response:
    kind = f"multipart/form-data; boundary={boundary}"
    return client.post("/analyze", content=body, headers={"Content-Type": kind})


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no body"),
        pytest.param(part(NAMED, b"") + END, id="empty part"),
        pytest.param(part(NAMED)[:-50], id="truncated part"),
        pytest.param(part(NAMED).replace(b"frontier", b"somewhere") + END, id="another boundary"),
        pytest.param(part(NAMED.replace(b"file", b"image")) + END, id="wrong field"),
        pytest.param(part(NAMED) * 2 + END, id="two files"),
        pytest.param(FIELD * 2000 + part(NAMED) + END, id="2,000 fields"),
        pytest.param(part(NAMED + b"\r\nX: " + b"y" * 65536) + END, id="64 KB part header"),
        pytest.param(part(NAMED + b"\r\nX-Many: y" * 10_000) + END, id="10,000 part headers"),
        pytest.param(b"p" * 5_000_000 + part(NAMED) + END, id="5 MB preamble"),
        pytest.param(b"\r\n--frontie" * 400_000 + part(NAMED) + END, id="nearly boundaries"),
        pytest.param(part(NAMED + b"\r\n" + NAMED.replace(b"file", b"a")) + END, id="two names"),
    ],
)
def test_forms(default_client: httpx.Client, body: bytes) -> None:
    assert_problem(post_form(default_client, body), 400)


def test_empty_lines_before_a_form(default_client: httpx.Client) -> None:
    assert post_form(default_client, b"\r\n" * 2_000_000 + part(NAMED) + END).json() == {"result": "red"}


@pytest.mark.parametrize("boundary", ["", "b" * 71, "b" * 257, '"', ";"])
def test_boundaries(default_client: httpx.Client, boundary: str) -> None:
    assert_problem(post_form(default_client, part(NAMED) + END, boundary=boundary), 400)


@pytest.mark.parametrize(
    "name",
    [
        b'"../../etc/passwd"',
        b'"C:\\\\windows\\\\system.ini"',
        b'"' + b"n" * 4096 + b'"',
        b'"a\0b.png"',
        '"🐻.png"'.encode(),
        b'""',
        b"x.png",
        b'"a\tb.png"',
        b'"\xff\xfe.png"',
    ],
)
def test_file_names_do_not_matter(default_client: httpx.Client, name: bytes) -> None:
    body = part(NAMED + b"; filename=" + name) + END
    assert post_form(default_client, body).json() == {"result": "red"}


@pytest.mark.parametrize("kind", ["", "text/html", "image/tiff", "application/x-php", "multipart/mixed; boundary=x"])
def test_the_content_type_of_the_part_does_not_matter(default_client: httpx.Client, kind: str) -> None:
    body = part(NAMED + f"\r\nContent-Type: {kind}".encode()) + END
    assert post_form(default_client, body).json() == {"result": "red"}


@pytest.mark.parametrize("kind", ["image/gif", "IMAGE/PNG", "image/x-anything; q=1", "application/octet-stream"])
def test_the_named_image_type_does_not_matter(default_client: httpx.Client, kind: str) -> None:
    assert default_client.post("/analyze", content=IMAGE, headers={"Content-Type": kind}).json() == {"result": "red"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
@pytest.mark.parametrize("path", UPLOADS)
def test_encoded_bodies(client: httpx.Client, path: str, encoding: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "Content-Encoding": encoding}
    assert_problem(client.post(path, content=IMAGE, headers=headers), 415)


@pytest.mark.parametrize(("surplus", "status"), [(-1, 200), (0, 200), (1, 413)])
@pytest.mark.parametrize("chunked", [False, True], ids=["with length", "chunked"])
def test_bodies_around_the_limit(client: httpx.Client, surplus: int, status: int, chunked: bool) -> None:
    body = IMAGE.ljust(LIMIT + surplus, b"\0")
    pieces = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    response = client.post("/analyze", content=pieces if chunked else body, headers={"Content-Type": "image/png"})
    assert response.status_code == status


def talk(server: RunningServer, data: bytes) -> bytes:
    """Return what the service sends before it closes the connection; nothing if it resets it."""
    response = b""
    with server.connect() as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                response += piece
        except ConnectionError:
            pass
    return response


@pytest.mark.parametrize(
    "headers",
    [
        "Content-Length: -5\r\n",
        "Content-Length: five\r\n",
        "Content-Length: 5 5\r\n",
        "Content-Length: 1e3\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        f"Content-Length: {len(IMAGE)}\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        f"Content-Length: {len(IMAGE) + 5}\r\n",  # and then the client leaves
    ],
)
def test_wrong_lengths(server: RunningServer, client: httpx.Client, headers: str) -> None:
    response = talk(server, f"{HEAD}{headers}\r\n".encode() + IMAGE)
    assert not response or response.split()[1] in (b"400", b"408", b"413")
    assert client.get("/livez").status_code == 200


def test_a_length_that_is_too_small(server: RunningServer) -> None:
    """The image is cut, and the rest is not a request."""
    response = talk(server, f"{HEAD}Content-Length: {len(IMAGE) - 50}\r\n\r\n".encode() + IMAGE)
    assert not response or response.split()[1] in (b"400", b"422")
    assert b"HTTP/1.1 200" not in response


@pytest.mark.parametrize("count", [1000, 200_000])
def test_a_body_of_one_byte_chunks(default_client: httpx.Client, count: int) -> None:
    body = IMAGE.ljust(count, b"\0")
    with socket.create_connection(
        (str(default_client.base_url.host), int(default_client.base_url.port or 0)), timeout=30
    ) as connection:
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
        connection.sendall(f"{HEAD}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode())
        connection.sendall(chunks + b"0\r\n\r\n")
        response = b""
        while piece := connection.recv(65536):
            response += piece
    assert response.startswith(b"HTTP/1.1 200 ")
    assert response.endswith(b'{"result":"red"}')
