from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.problem import Problem
from service.web.upload.multipart import parse_boundary, parse_file

HEAD = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'


@given(st.binary(min_size=1).filter(lambda content: b"\r\n--b" not in content))
def test_the_content_is_unchanged(content: bytes) -> None:
    assert parse_file(HEAD + content + b"\r\n--b--\r\n", boundary=b"b") == content


@given(st.binary(), st.binary(max_size=20))
def test_any_other_bytes_are_a_problem(noise: bytes, tail: bytes) -> None:
    for body in (noise, HEAD + noise + tail, HEAD[: len(noise)] + noise + tail):
        with contextlib.suppress(Problem):
            assert parse_file(body, boundary=b"b")


@pytest.mark.parametrize("text", ['multipart/form-data; boundary="a b"', "multipart/form-data;boundary=x;charset=y"])
def test_boundary(text: str) -> None:
    assert parse_boundary(text) in (b"a b", b"x")


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


FILE = b'Content-Disposition: form-data; name="file"'


@pytest.mark.parametrize(
    "body",
    [
        form(FILE + b"\r\n\r\nx", b'Content-Disposition: form-data; name="note"\r\n\r\nhello'),
        form(b'content-disposition:form-data;name="file";filename="\xff\xfe.png"\r\nContent-Length: 1\r\n\r\nx'),
        form(FILE + b"\r\n\r\nx") + b"an epilogue\r\n--b\r\n",
        b"\r\n\r\n" + form(FILE + b"\r\n\r\nx"),
        b"This is a multi-part message.\r\n" + form(FILE + b"\r\n\r\nx"),
        form(FILE.replace(b"form-data", b"Form-Data") + b"\r\n\r\nx"),
        form(FILE + b"\r\n--b: y\r\n\r\nx"),
        form(*[b'Content-Disposition: form-data; name=""\r\n\r\n'] * 15, FILE + b"\r\n\r\nx"),
    ],
    ids=[
        "field after it",
        "bytes in its name",
        "epilogue",
        "empty lines",
        "preamble",
        "upper case",
        "header like a boundary",
        "16 parts",
    ],
)
def test_valid_forms(body: bytes) -> None:
    assert parse_file(body, boundary=b"b") == b"x"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (form(FILE + b"\r\n\r\nx", end=b""), "its end is missing"),
        (form(FILE + b"\r\n\r\nx", end=b"--b-"), "not followed by a line break"),
        (form(FILE + b"\r\n\r\nx\r\n--b \r\ny"), "not followed by a line break"),
        (form(FILE + b"\r\n\r\nx\r\n--bb\r\ny"), "not followed by a line break"),
        (b"\n" + form(FILE + b"\r\n\r\nx"), "no part named 'file'"),
        (b"no boundary", "its boundary is missing"),
        (FILE + b"\r\n\r\n--b--" + form(FILE + b"\r\n\r\nx"), "not followed by a line break|no part named"),
        (form(FILE + b"\r\n\r\nx\r\n--b\r\n--b--", end=b""), "its end is missing"),
        (form(FILE + b"\r\n\r\n--b--x\r\n--b\r\nContent-Disp", end=b""), "its end is missing"),
        (form(FILE + b"\r\n" + b"A: b\r\n" * 8 + b"\r\nx"), "8 headers"),
        (form(FILE + b"\r\nA: " + b"b" * 8200 + b"\r\n\r\nx"), "8,192 bytes"),
        (form(FILE + b"\r\n" + FILE + b"\r\n\r\nx"), "more than one Content-Disposition"),
        (form(FILE + b"\r\nContent-Length: 2\r\n\r\nx"), "Content-Length of a part"),
        (form(FILE + b"\r\nContent-Length: +1\r\n\r\nx"), "Content-Length of a part"),
        (form(b"Content-Type: image/png\r\n\r\nx"), "no Content-Disposition"),
        (form(b'Content-Disposition: form-data; name="file\r\n\r\nx'), "not form-data with a name"),
        (form(FILE + b"\r\n X: y\r\n\r\nx"), "malformed"),
        (form(FILE + b"\r\nX\r\n\r\nx"), "malformed"),
        (form(FILE + b"\n\r\nx"), "malformed"),
        (form(b'Content-Disposition: form-data; name="\xc3\xbc"; filename="a"\r\n\r\nx'), "'ü'"),
        (form(*[FILE.replace(b"file", b"note") + b"\r\n\r\n"] * 16, FILE + b"\r\n\r\nx"), "16 parts"),
    ],
)
def test_invalid_forms(body: bytes, reason: str) -> None:
    with pytest.raises(Problem, match=reason):
        parse_file(body, boundary=b"b")


@pytest.mark.parametrize(
    "body",
    [
        form(FILE + b"\r\n\r\n" + b"\r\n--b~" * 1_000_000),
        FILE + b"\r\n\r\n--b--" + b"\r\n--bX" * 1_000_000,
        form(FILE + b"\r\n--b--: x" + b"\r\n--bX" * 1_000_000, end=b""),
        FILE + b"\r\n\r\n--b--" + form(*[FILE + b"\r\n\r\n"] * 100_000),
        FILE + b"\r\n\r\n--b--" + form(*[b"Content-Disposition: form-data" + b";" * 8000 + b"\r\n\r\n"] * 500),
    ],
    ids=["lines", "after an end that is none", "after a header like an end", "many parts", "many parameters"],
)
def test_hostile_forms_do_not_take_long(body: bytes) -> None:
    """python-multipart alone reads such bodies byte by byte: seconds of the processor for one of them."""
    start = time.process_time()
    with pytest.raises(Problem):
        parse_file(body, boundary=b"b")
    assert time.process_time() - start < 1


def test_a_long_content_type_is_not_parsed() -> None:
    """On the event loop, it would keep every other request waiting."""
    start = time.process_time()
    for _ in range(100):
        with pytest.raises(Problem, match="must have a boundary"):
            parse_boundary("multipart/form-data; boundary=b" + ";" * 60_000)
    assert time.process_time() - start < 0.5
