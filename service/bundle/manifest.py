"""manifest.json and manifest.sha256: which files a bundle has, and what their bytes hash to."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from service.bundle import canonical
from service.bundle.errors import BundleRefused

FORMAT = 1
MANIFEST = "manifest.json"
CHECKSUM = "manifest.sha256"
REQUIRED_FILES = ("spec.json", "model.onnx", "golden/golden.json", "metrics.json", "card.md")
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHECKSUM_LINE = re.compile(rb"([0-9a-f]{64}) [ *]manifest\.json\n?")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One listed file: SHA-256 in hex, and its length in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What manifest.json says. `created` is an ISO 8601 time; `producer` names the programs that wrote the bundle."""

    name: str
    version: str
    created: str
    producer: Mapping[str, str]
    files: Mapping[str, Entry]

    def encode(self) -> bytes:
        """The bytes of manifest.json."""
        return canonical.dump(
            {
                "format": FORMAT,
                "name": self.name,
                "version": self.version,
                "created": self.created,
                "producer": dict(self.producer),
                "files": {path: {"sha256": e.sha256, "bytes": e.bytes} for path, e in self.files.items()},
            }
        )


def entry_of(data: bytes) -> Entry:
    """The entry that these bytes have in a manifest."""
    return Entry(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def checksum_line(manifest: bytes) -> bytes:
    """The line of manifest.sha256, as `sha256sum -c` reads it."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def parse(data: bytes, checksum: bytes) -> tuple[Manifest, str]:
    """(manifest, bundle digest in hex) from the two files; raises BundleRefused."""
    match = _CHECKSUM_LINE.fullmatch(checksum)
    if match is None:
        raise BundleRefused(f"{CHECKSUM} is not a sha256sum line of {MANIFEST}")
    digest = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(digest.encode(), match[1]):
        raise BundleRefused(f"{MANIFEST} was altered: its hash is not the one in {CHECKSUM}")
    value = canonical.parse_object(data, MANIFEST)
    found = value.get("format")
    if type(found) is not int or found != FORMAT:
        raise BundleRefused(f"{MANIFEST} has format {found!r:.40}; this program reads format {FORMAT}")
    try:
        return _manifest(value), digest
    except KeyError as error:
        raise BundleRefused(f"{MANIFEST} has no field {error}") from error
    except (TypeError, ValueError) as error:
        raise BundleRefused(f"{MANIFEST} is malformed: {error}") from error


def _manifest(value: Mapping[str, Any]) -> Manifest:
    for name in ("name", "version", "created"):
        if not isinstance(value[name], str):
            raise ValueError(f"{name} is no string")
    for name in ("producer", "files"):
        if not isinstance(value[name], dict):
            raise ValueError(f"{name} is no object")
    files = {check_path(path): _entry(path, entry) for path, entry in value["files"].items()}
    for path in (MANIFEST, CHECKSUM):
        if path in files:
            raise ValueError(f"{path} must not list itself")
    for path in REQUIRED_FILES:
        if path not in files:
            raise BundleRefused(f"{path} is missing from {MANIFEST}")
    return Manifest(
        name=value["name"],
        version=value["version"],
        created=value["created"],
        producer=dict(value["producer"]),
        files=files,
    )


def _entry(path: str, value: Mapping[str, Any]) -> Entry:
    entry = Entry(sha256=value["sha256"], bytes=value["bytes"])
    if not _HEX_DIGEST.fullmatch(entry.sha256):
        raise ValueError(f"the sha256 of {path} is not 64 hex digits")
    if type(entry.bytes) is not int or entry.bytes < 0:
        raise ValueError(f"the length of {path} is not a whole number")
    return entry


def check_path(path: str) -> str:
    """The path itself, or BundleRefused where it could lead out of the bundle or garble a message."""
    plain = PurePosixPath(path)
    escapes = path != str(plain) or plain.is_absolute() or ".." in plain.parts or path == "." or "\\" in path
    if escapes or not path.isprintable():
        raise BundleRefused(f"{path!r} is not a plain path inside the bundle")
    return path
