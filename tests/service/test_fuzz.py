"""Thousands of hostile inputs: each is accepted, or rejected with the right error.

`FIELDGUIDE_FUZZ_INPUTS` says how many inputs each test tries (3,000); more take longer and are never the same ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.bundle import BundleRefused, Spec, canonical_json, manifest
from service.problem import Problem
from service.web.routes.open_inference.request import ParsedRequest
from service.web.upload.json_body import parse_object
from service.web.upload.multipart import parse_boundary, parse_file
from tests.service.pixels.test_picture import outcome
from tests.support.bundles import make_files
from tests.support.images import SEEDS

INPUTS = int(os.environ.get("FIELDGUIDE_FUZZ_INPUTS", "3000"))
FILES = make_files()
MANIFEST = json.loads(
    manifest.Manifest(
        name="colours",
        version="1",
        created="2026-11-20T12:00:00Z",
        producer={"fieldguide": "test"},
        files={path: manifest.FileEntry.of(data) for path, data in FILES.items()},
    ).encode()
)
SPEC = json.loads(FILES["spec.json"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
PLACES = st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4)
EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), max_size=4)
# Pieces of forms, complete and cut.
PIECES = st.sampled_from(
    [b"--b", b"--b\r\n", b"--b--", b"\r\n", b"\n", b"\r", b"-", b":", b";", b'"', b"\0", b"x" * 99, b"; name=file",
     b"Content-Disposition: form-data", b'; name="file"', b"; filename*=UTF-8''%", b"Content-Type: image/png"]
)  # fmt: skip


def many(*strategies: Any) -> Callable[[Callable[..., None]], Callable[[], None]]:
    """Run the test with this many inputs."""
    quiet = settings(max_examples=INPUTS, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    return lambda test: quiet(given(*strategies)(test))


def edited(data: bytes, edits: list[tuple[float, bytes]], kept: float) -> bytes:
    """Return the bytes with others written over them at some places, and seldom with much cut off."""
    result = bytearray(data)
    for place, replacement in edits:
        start = int(place * len(result))
        result[start : start + len(replacement)] = replacement
    return bytes(result[: len(result) - int(kept**8 * len(result))])


def with_value(value: Any, places: list[float], other: Any) -> Any:
    """Return the JSON value with another value at some place inside."""
    if not places or not value or not isinstance(value, dict | list):
        return other
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    chosen = keys[int(places[0] * len(keys))]
    copy = value.copy()
    copy[chosen] = with_value(value[chosen], places[1:], other)
    return copy


def refused_or_not(read: Callable[[], object]) -> None:
    """Any other exception than these fails the test; so does a message of more than one line."""
    said, status = "", 400
    try:
        read()
    except BundleRefused as error:
        said = str(error)
    except Problem as problem:
        said, status = problem.detail, problem.status
    assert status == 400
    assert len(said.splitlines()) <= 1


@many(st.sampled_from(sorted(SEEDS)), EDITS, st.floats(0, 1))
def test_decoder(kind: str, edits: list[tuple[float, bytes]], kept: float) -> None:
    outcome(edited(SEEDS[kind], edits, kept))


# A header's bytes come as characters of Latin-1.
@many(st.lists(PIECES | st.binary(max_size=9), max_size=20), st.text(st.characters(max_codepoint=255), max_size=40))
def test_forms(pieces: list[bytes], boundary: str) -> None:
    refused_or_not(lambda: parse_file(b"".join(pieces), boundary=b"b"))
    refused_or_not(lambda: parse_boundary(f"multipart/form-data; {boundary}"))


@many(EDITS, st.floats(0, 1))
def test_manifest_bytes(edits: list[tuple[float, bytes]], kept: float) -> None:
    data = edited(canonical_json.dumps(MANIFEST), edits, kept)
    refused_or_not(lambda: manifest.parse(data, manifest.checksum_line(data)))
    refused_or_not(lambda: manifest.parse(data, edited(manifest.checksum_line(data), edits, kept)))


@many(PLACES, JSON)
def test_manifest_values(places: list[float], other: Any) -> None:
    data = json.dumps(with_value(MANIFEST, places, other)).encode()
    refused_or_not(lambda: manifest.parse(data, manifest.checksum_line(data)))


@many(PLACES, JSON)
def test_spec_values(places: list[float], other: Any) -> None:
    refused_or_not(lambda: Spec.from_json(with_value(SPEC, places, other), models=["model.onnx"]))


@many(PLACES, JSON, st.none() | st.integers(0, 300), st.binary(max_size=50))
def test_inference_requests(places: list[float], other: Any, json_bytes: int | None, tail: bytes) -> None:
    asked = {
        "id": "a",
        "parameters": {"binary_data_output": True},
        "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {}, "data": ["YQ=="]}],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 2, "binary_data": False}}],
    }
    body = json.dumps(with_value(asked, places, other)).encode() + tail
    refused_or_not(lambda: ParsedRequest.parse(body, json_bytes=json_bytes))
    refused_or_not(lambda: parse_object(body))
