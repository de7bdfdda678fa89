"""Read a bundle, a folder or a zip: each file once, with its size and hash checked. Other files are refused."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import canonical_json, golden, manifest, onnx_file
from service.bundle.errors import BundleRefused
from service.bundle.golden import GoldenImage
from service.bundle.manifest import CHECKSUM, MANIFEST, SIGNATURE, FileEntry, Manifest
from service.bundle.signature import SIGNATURE_BYTES, TrustedKeys
from service.bundle.source import FolderSource, Source, open_zip
from service.bundle.spec import FP32, MODEL_FILES, Spec

HEAD = "head.npy"
_RECIPE = "recipe.toml"  # of a run of the trainer
# The header that np.save writes (numpy.lib.format, version 1.0). The two bytes after the version are its length.
_HEAD_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '<f4', 'fortran_order': False, "
    rb"'shape': \((?P<rows>\d{1,9}), (?P<columns>\d{1,9})\), \} *\n",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bundle:
    """A verified bundle. Whether its models predict what they should is checked by `service.predictor`.

    Attributes:
        manifest: Content of manifest.json.
        digest: SHA-256 of manifest.json, as "sha256:<hex>".
        spec: Content of spec.json.
        models: Model file -> its bytes, the very ones that were hashed. model.onnx is always there.
        left_aside: Model file -> why it is not among `models`, although it is in the bundle.
        head: float32 [K, C], weights of the last linear layer; None if the bundle has no heatmaps.
        golden: Images with their expected probabilities.
        metrics: Content of metrics.json.
        card: Text of card.md.
    """

    manifest: Manifest
    digest: str
    spec: Spec
    models: Mapping[str, bytes]
    left_aside: Mapping[str, str]
    head: npt.NDArray[np.float32] | None
    golden: tuple[GoldenImage, ...]
    metrics: Mapping[str, Any]
    card: str

    def metrics_of(self, model_file: str) -> Mapping[str, Any]:
        """Return what metrics.json says of one model file; empty if it says nothing."""
        models = self.metrics.get("models")
        found = models.get(model_file) if isinstance(models, Mapping) else None
        return found if isinstance(found, Mapping) else {}


def read_bundle(path: str | os.PathLike[str], *, trusted: TrustedKeys | None = None) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: A folder, or a zip of one.
        trusted: Keys of which one must have signed it; None: it need not be signed.

    Raises:
        BundleRefused: A file is missing, extra, altered or malformed, or it is not signed with a trusted key. The
            message names the file, in one line.
    """
    with _opened(Path(path)) as source:
        listed, digest, own = _read_manifest(source)
        if trusted is not None:
            trusted.require(own[CHECKSUM], own.get(SIGNATURE))
        return _assemble(listed, digest, _read_listed(listed, source))


def read_files(path: str | os.PathLike[str]) -> tuple[Bundle, dict[str, bytes]]:
    """Read and verify a bundle, and return its files too, to copy it: path -> bytes, the manifest's own among them.

    Raises:
        BundleRefused: See `read_bundle`.
    """
    with _opened(Path(path)) as source:
        listed, digest, own = _read_manifest(source)
        files = _read_listed(listed, source)
        return _assemble(listed, digest, files), {**files, **own}


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Source]:
    """Open the files of a bundle. Errors of the block that concern files are errors of the bundle."""
    try:
        if path.is_dir():
            if not os.path.lexists(path / MANIFEST):
                raise BundleRefused(_what_it_is(path))
            yield FolderSource(path)
        else:
            with open_zip(path) as source:
                yield source
    except FileNotFoundError as error:
        raise BundleRefused(f"there is no bundle at {path}") from error
    except OSError as error:
        raise BundleRefused(f"{path} cannot be read: {error.strerror or error}") from error


def _what_it_is(folder: Path) -> str:
    """Say what a folder without a manifest is; people name the one above or below the bundle."""
    inside = folder / "bundle"
    if (inside / MANIFEST).exists():
        return f"{folder} is a run, not a bundle: its bundle is {inside}"
    if (folder / _RECIPE).exists():
        return f"{folder} is a run that has no bundle: `fieldguide resume` finishes it, `fieldguide export` writes one"
    return f"{folder} is not a bundle: {MANIFEST} is missing"


def _read_manifest(source: Source) -> tuple[Manifest, str, dict[str, bytes]]:
    """Return the manifest, its digest, and its own files as they are. Files that it does not list are refused."""
    raw = source.read(MANIFEST, manifest.MAX_MANIFEST_BYTES)
    if len(raw) > manifest.MAX_MANIFEST_BYTES:
        raise BundleRefused(f"{MANIFEST} is longer than {manifest.MAX_MANIFEST_BYTES:,} bytes")
    checksum = source.read(CHECKSUM, 1024)
    listed, digest = manifest.parse(raw, checksum)
    own = {MANIFEST: raw, CHECKSUM: checksum}
    for name in source.unlisted({*listed.files, *own}):
        if name != SIGNATURE:
            raise BundleRefused(f"{name} is extra: {MANIFEST} does not list it")
        own[SIGNATURE] = source.read(SIGNATURE, SIGNATURE_BYTES)
        if len(own[SIGNATURE]) != SIGNATURE_BYTES:
            raise BundleRefused(f"{SIGNATURE} is not a signature: it does not have {SIGNATURE_BYTES} bytes")
    return listed, digest, own


def _read_listed(listed: Manifest, source: Source) -> dict[str, bytes]:
    return {name: _read_checked(name, entry, source) for name, entry in sorted(listed.files.items())}


def _read_checked(name: str, entry: FileEntry, source: Source) -> bytes:
    data = source.read(name, entry.size_bytes)
    if len(data) != entry.size_bytes:
        raise BundleRefused(
            f"{name} was altered: it does not have the {entry.size_bytes:,} bytes that {MANIFEST} lists"
        )
    if hashlib.sha256(data).hexdigest() != entry.sha256:
        raise BundleRefused(f"{name} was altered: its hash is not the one in {MANIFEST}")
    return data


def _assemble(listed: Manifest, digest: str, files: Mapping[str, bytes]) -> Bundle:
    left_aside: dict[str, str] = {}
    for name in MODEL_FILES:
        try:
            if name in files:
                _read_model(name, files)
        except BundleRefused as error:
            if name == FP32:
                raise
            left_aside[name] = str(error)
    models = {name: files[name] for name in MODEL_FILES if name in files and name not in left_aside}
    spec, images = _read_spec(files, models)
    try:
        card = files["card.md"].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleRefused("card.md is not UTF-8 text") from error
    return Bundle(
        manifest=listed,
        digest=f"sha256:{digest}",
        spec=spec,
        models=models,
        left_aside=left_aside,
        head=_head(files[HEAD], len(spec.classes)) if HEAD in files else None,
        golden=images,
        metrics=canonical_json.loads(files["metrics.json"], "metrics.json"),
        card=card,
    )


def _read_model(name: str, files: Mapping[str, bytes]) -> None:
    """Check a model file, and what the bundle says of it.

    Raises:
        BundleRefused: It cannot be used.
    """
    _read_spec(files, (name,))
    onnx_file.check(files[name], name)


def _read_spec(files: Mapping[str, bytes], models: Collection[str]) -> tuple[Spec, tuple[GoldenImage, ...]]:
    """Read spec.json and the golden images, for some model files."""
    spec = Spec.from_json(canonical_json.loads(files["spec.json"], "spec.json"), models=models)
    return spec, golden.parse(files, models=models, class_count=len(spec.classes))


def _head(data: bytes, class_count: int) -> npt.NDArray[np.float32]:
    """Read head.npy, and accept only the header that np.save writes: np.load would evaluate any header as Python."""
    header = _HEAD_HEADER.match(data)
    if header is None:
        raise BundleRefused(f"{HEAD} is not a NumPy array of float32 with two dimensions, in row order")
    shape = int(header["rows"]), int(header["columns"])
    if shape[0] != class_count:
        raise BundleRefused(f"{HEAD} has {shape[0]} rows, but spec.json has {class_count} classes")
    if len(data) - header.end() != 4 * shape[0] * shape[1]:
        raise BundleRefused(f"{HEAD} does not have the length that its header declares")
    head = np.frombuffer(data, dtype="<f4", offset=header.end()).reshape(shape)
    if not np.isfinite(head).all():
        raise BundleRefused(f"{HEAD} has values that are not finite")
    return head
