"""Bundles that are wrong in one place, made from the tiny valid one, and what is said of them."""

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
    """The files of the tiny valid bundle, its int8 model among them."""
    return make_files(with_int8=True)


def write(path: Path, changes: Mapping[str, bytes | None] | None = None) -> Path:
    """Write the tiny bundle with some files changed, added or (None) left out: whole, but for what was changed."""
    files = {name: data for name, data in {**tiny_files(), **(changes or {})}.items() if data is not None}
    write_bundle(path, files, name="tiny", version="1", created="2026-11-20T12:00:00Z", producer={"test": "1"})
    return path


def edited(name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    """The tiny bundle's JSON file of that name after `change` has worked on its object."""
    value = json.loads(tiny_files()[name])
    change(value)
    return {name: json.dumps(value).encode()}


def with_manifest(folder: Path, manifest: bytes) -> Path:
    """Give a written bundle another manifest, with a checksum that fits."""
    (folder / MANIFEST).write_bytes(manifest)
    (folder / CHECKSUM).write_bytes(checksum_line(manifest))
    return folder


def refusal(action: Callable[[], object]) -> str:
    """The one line that BundleRefused says."""
    with pytest.raises(BundleRefused) as caught:
        action()
    (line,) = str(caught.value).splitlines()
    assert line.isprintable()
    return line


def reading(path: Path) -> str:
    """The refusal of a bundle."""
    return refusal(lambda: read_bundle(path))
