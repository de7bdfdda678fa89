from __future__ import annotations

import contextlib

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
