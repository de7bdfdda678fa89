from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bundle import canonical_json
from tests.service.bundle.helpers import refusal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_loads_returns_what_dumps_wrote(value: dict[str, Any]) -> None:
    assert canonical_json.loads(canonical_json.dumps(value), "x.json") == value


def test_same_object_has_the_same_bytes() -> None:
    assert (
        canonical_json.dumps({"b": "ä", "a": 1})
        == canonical_json.dumps({"a": 1, "b": "ä"})
        == '{\n "a": 1,\n "b": "ä"\n}\n'.encode()
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, "\ud800"])
def test_values_that_json_cannot_write_are_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_json.dumps({"a": [value]})


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[1]", id="a list"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"a": 1', id="cut"),
        pytest.param(b'{"a": 1} {}', id="two objects"),
        pytest.param(b'{"a": 1, "a": 1}', id="a key twice"),
        pytest.param(b'{"b": [{"a": 1, "\\u0061": 2}]}', id="a key twice, deep and disguised"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": 1e999}', id="infinity in disguise"),
        pytest.param(b'{"a": ' + b"9" * 5000 + b"}", id="endless number"),
        pytest.param(b'{"a": "\\ud800"}', id="half a surrogate pair"),
        pytest.param(b'{"\\udfff": 1}', id="half a surrogate pair as a key"),
        pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-8-sig"), id="byte order mark"),
        pytest.param(b'{"a": "\n"}', id="raw newline"),
        pytest.param(b'{"a": ' + b"[" * 100_000, id="deep"),
        pytest.param(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep and closed"),
        pytest.param(b'{"a":' * 100_000, id="deep objects"),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    assert "x.json" in refusal(lambda: canonical_json.loads(data, "x.json"))
