"""Bundles with one thing wrong, made from the tiny valid bundle, and the message of the refusal."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from service.bundle import BundleRefused, read_bundle, write_bundle
from service.bundle.manifest import CHECKSUM, MANIFEST, checksum_line
from tests.support.bundles import make_files


@functools.cache
def tiny_files() -> Mapping[str, bytes]:
    """The files of the tiny valid bundle, with an int8 model."""
    return make_files(with_int8=True)


def write(path: Path, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """Write the tiny bundle with some files changed, added or (None) left out; hashes and manifest fit."""
    files = {name: data for name, data in {**tiny_files(), **(changes or {})}.items() if data is not None}
    write_bundle(path, files, name="tiny", version="1", created="2026-11-20T12:00:00Z", producer={"test": "1"})
    return path


def edited(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    """The JSON file of that name from the tiny bundle, after `change` has edited its object."""
    value = json.loads(tiny_files()[name])
    change(value)
    return {name: json.dumps(value).encode()}


def with_manifest(folder: Path, manifest: bytes) -> Path:
    """Replace the manifest of a written bundle, and its checksum."""
    (folder / MANIFEST).write_bytes(manifest)
    (folder / CHECKSUM).write_bytes(checksum_line(manifest))
    return folder


def refusal(action: Callable[[], object]) -> str:
    """Run the action, which must raise BundleRefused; return its message, one line."""
    with pytest.raises(BundleRefused) as caught:
        action()
    (line,) = str(caught.value).splitlines()
    assert line.isprintable()
    return line


def refusal_of(path: Path) -> str:
    """The message with which a bundle is refused."""
    return refusal(lambda: read_bundle(path))
