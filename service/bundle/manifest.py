"""manifest.json and manifest.sha256: the files of a bundle, their lengths and hashes."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from service.bundle import canonical_json
from service.bundle.errors import BundleRefused

FORMAT = 2  # the only one that is read: no release wrote another
MANIFEST = "manifest.json"
CHECKSUM = "manifest.sha256"
SIGNATURE = "manifest.sig"
REQUIRED_FILES = ("spec.json", "model.onnx", "golden/golden.json", "metrics.json", "card.md")
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_BUNDLE_BYTES = 2 * 1024**3  # of all listed files
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHECKSUM_LINE = re.compile(rb"([0-9a-f]{64}) [ *]manifest\.json\n?")


@dataclass(frozen=True, kw_only=True)
class FileEntry:
    """One listed file.

    Attributes:
        sha256: SHA-256 of the file, 64 hex digits.
        size_bytes: Length of the file.
    """

    sha256: str
    size_bytes: int

    @classmethod
    def of(cls, data: bytes) -> FileEntry:
        """Make the entry of a file with this content."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The content of manifest.json.

    Attributes:
        name: Name of the model.
        version: Version of the model.
        created: ISO 8601 time.
        producer: Name -> version of the programs that wrote the bundle.
        files: Path -> entry of every file but the manifest's own two.
    """

    name: str
    version: str
    created: str
    producer: Mapping[str, str]
    files: Mapping[str, FileEntry]

    def encode(self) -> bytes:
        """Return the bytes of manifest.json."""
        return canonical_json.dumps(
            {
                "format": FORMAT,
                "name": self.name,
                "version": self.version,
                "created": self.created,
                "producer": dict(self.producer),
                "files": {path: {"sha256": e.sha256, "bytes": e.size_bytes} for path, e in self.files.items()},
            }
        )


def checksum_line(manifest: bytes) -> bytes:
    """Return the line of manifest.sha256, in the format of `sha256sum -c`."""
    return f"{hashlib.sha256(manifest).hexdigest()}  {MANIFEST}\n".encode()


def parse(data: bytes, checksum: bytes) -> tuple[Manifest, str]:
    """Verify and read the manifest.

    Args:
        data: Bytes of manifest.json.
        checksum: Bytes of manifest.sha256.

    Returns:
        The manifest, and the digest of the bundle, 64 hex digits.

    Raises:
        BundleRefused: The hash is another one, the format is another one, or the manifest is malformed.
    """
    match = _CHECKSUM_LINE.fullmatch(checksum)
    if match is None:
        raise BundleRefused(f"{CHECKSUM} is not a sha256sum line of {MANIFEST}")
    digest = hashlib.sha256(data).hexdigest()
    if not hmac.compare_digest(digest.encode(), match[1]):
        raise BundleRefused(f"{MANIFEST} was altered: its hash is not the one in {CHECKSUM}")
    value = canonical_json.loads(data, MANIFEST)
    found = value.get("format")
    if type(found) is not int or found != FORMAT:
        advice = "a later fieldguide reads it" if type(found) is int and found > FORMAT else "export the bundle again"
        raise BundleRefused(f"{MANIFEST} has format {found!r:.40}; this program reads format {FORMAT}: {advice}")
    return _manifest(value), digest


def _manifest(value: Mapping[str, Any]) -> Manifest:
    texts = {name: canonical_json.member(value, name, str, MANIFEST) for name in ("name", "version", "created")}
    entries = canonical_json.member(value, "files", dict, MANIFEST)
    files = {check_path(path): _entry(path, entries) for path in entries}
    for path in (MANIFEST, CHECKSUM, SIGNATURE):
        if path in files:
            raise BundleRefused(f"{MANIFEST}: {path} must not be listed")
    for path in REQUIRED_FILES:
        if path not in files:
            raise BundleRefused(f"{path} is missing from {MANIFEST}")
    if sum(entry.size_bytes for entry in files.values()) > MAX_BUNDLE_BYTES:
        raise BundleRefused(f"the files that {MANIFEST} lists have more than {MAX_BUNDLE_BYTES:,} bytes together")
    producer = canonical_json.member(value, "producer", dict, MANIFEST)
    return Manifest(**texts, producer=producer, files=files)


def _entry(path: str, entries: Mapping[str, Any]) -> FileEntry:
    value = canonical_json.member(entries, path, dict, f"{MANIFEST}: files")
    where = f"{MANIFEST}: files.{path}"
    sha256 = canonical_json.member(value, "sha256", str, where)
    size_bytes = canonical_json.member(value, "bytes", int, where)
    if not _HEX_DIGEST.fullmatch(sha256):
        raise BundleRefused(f"{where}: sha256 is not 64 hex digits")
    if size_bytes < 0:
        raise BundleRefused(f"{where}: bytes is negative")
    return FileEntry(sha256=sha256, size_bytes=size_bytes)


def check_path(path: str) -> str:
    """Return the path itself.

    Raises:
        BundleRefused: The path could lead out of the bundle, or has characters that garble a message.
    """
    plain = PurePosixPath(path)
    escapes = path != str(plain) or plain.is_absolute() or ".." in plain.parts or path == "." or "\\" in path
    if escapes or not path.isprintable():
        raise BundleRefused(f"{path!r} is not a plain path inside the bundle")
    return path
