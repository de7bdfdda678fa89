from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bundle import BundleRefused, manifest
from service.bundle.manifest import REQUIRED_FILES, FileEntry, Manifest, check_path, checksum_line, parse
from tests.service.bundle.helpers import refusal

MANIFEST = Manifest(
    name="bears",
    version="1",
    created="2026-11-20T12:00:00Z",
    producer={"fieldguide": "0.1"},
    files={path: FileEntry.of(path.encode()) for path in REQUIRED_FILES},
)


def refusal_of_value(value: object) -> str:
    data = json.dumps(value).encode()
    return refusal(lambda: parse(data, checksum_line(data)))


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    value = json.loads(MANIFEST.encode())
    change(value)
    return dict(value)


def test_parse_returns_what_was_encoded() -> None:
    data = MANIFEST.encode()
    assert parse(data, checksum_line(data)) == (MANIFEST, hashlib.sha256(data).hexdigest())


def test_entry_is_hash_and_length() -> None:
    assert FileEntry.of(b"") == FileEntry(
        sha256="e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", size_bytes=0
    )


@pytest.mark.parametrize(
    "change", [lambda line: line[:-1], lambda line: line.replace(b"  ", b" *")], ids=["no newline", "binary mode"]
)
def test_other_lines_of_sha256sum_are_accepted(change: Callable[[bytes], bytes]) -> None:
    data = MANIFEST.encode()
    parse(data, change(checksum_line(data)))


@pytest.mark.parametrize(
    "change",
    [
        lambda line: b"",
        lambda line: line.upper(),
        lambda line: line[1:],
        lambda line: line + line,
        lambda line: b"\n" + line,
        lambda line: line.replace(b"manifest.json", b"./manifest.json"),
        lambda line: line.replace(b"manifest.json", b"manifest_json"),
        lambda line: line.replace(b"\n", b"\r\n"),
    ],
)
def test_malformed_checksum_is_refused(change: Callable[[bytes], bytes]) -> None:
    data = MANIFEST.encode()
    assert "manifest.sha256 is not" in refusal(lambda: parse(data, change(checksum_line(data))))


def test_altered_manifest_is_refused() -> None:
    data = MANIFEST.encode()
    line = refusal(lambda: parse(data.replace(b"bears", b"pears"), checksum_line(data)))
    assert line == "manifest.json was altered: its hash is not the one in manifest.sha256"


@pytest.mark.parametrize("number", [0, 1, 3, -1, 10**30, "1", True, 1.0, None, [], {"1": 1}, ["\n" * 500]])
def test_unknown_format_is_refused(number: object) -> None:
    line = refusal_of_value(changed(lambda value: value.update(format=number)))
    assert "manifest.json has format" in line
    assert "this program reads format 2: " in line
    assert len(line) < 150


@pytest.mark.parametrize("field", ["format", "name", "version", "created", "producer", "files"])
def test_missing_field_is_named(field: str) -> None:
    line = refusal_of_value(changed(lambda value: value.pop(field)))
    assert "manifest.json" in line
    assert field in line


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", 5),
        ("version", 1),
        ("created", None),
        ("producer", "me"),
        ("producer", [["a", "b"]]),
        ("files", []),
        ("files", "spec.json"),
        ("files", None),
    ],
)
def test_field_of_another_type_is_named(field: str, wrong: object) -> None:
    line = refusal_of_value(changed(lambda value: value.update({field: wrong})))
    assert "manifest.json" in line
    assert field in line


@pytest.mark.parametrize("path", REQUIRED_FILES)
def test_required_file_must_be_listed(path: str) -> None:
    assert f"{path} is missing" in refusal_of_value(changed(lambda value: value["files"].pop(path)))


@pytest.mark.parametrize("path", [manifest.MANIFEST, manifest.CHECKSUM])
def test_manifest_must_not_list_itself(path: str) -> None:
    entry = {"sha256": "0" * 64, "bytes": 0}
    assert path in refusal_of_value(changed(lambda value: value["files"].update({path: entry})))


@pytest.mark.parametrize(
    "wrong",
    [
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"sha256": "0" * 64 + "\n"},
        {"sha256": 5},
        {"bytes": -1},
        {"bytes": 1.0},
        {"bytes": True},
        {"bytes": "1"},
    ],
)
def test_invalid_entry_is_refused(wrong: dict[str, object]) -> None:
    assert "manifest.json" in refusal_of_value(changed(lambda value: value["files"]["card.md"].update(wrong)))


@pytest.mark.parametrize("entry", [None, [], "x", {}, {"bytes": 1}, {"sha256": "0" * 64}])
def test_incomplete_entry_is_refused(entry: object) -> None:
    assert "manifest.json" in refusal_of_value(changed(lambda value: value["files"].update({"card.md": entry})))


@pytest.mark.parametrize("path", ["a", "a/b.json", "golden/ä 1.png", "..a", "a..", ".hidden", "a/.../b"])
def test_plain_path_is_accepted(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "..", "/", "/etc/passwd", "//server/share", "../a", "a/..", "a/../b", "./a", "a/.", "a/", "a//b",
        "a\\b", "..\\a", "C:\\a", "a\0b", "a\nb", "a\rb", "a\x1b[2Jb", "a\u2028b", "a\u202eb", "a\udcffb",
    ],
)  # fmt: skip
def test_path_that_could_lead_out_or_garble_a_message_is_refused(path: str) -> None:
    assert "not a plain path" in refusal(lambda: check_path(path))


@given(st.text(st.sampled_from("./\\ab\0\n")))
def test_no_accepted_path_leads_out(path: str) -> None:
    try:
        parts = PurePosixPath(check_path(path)).parts
    except BundleRefused:
        return
    assert parts
    assert not {"/", "..", "."} & set(parts)
