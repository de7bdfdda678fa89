"""A bundle as an OCI image layout: what registries keep and Kubernetes mounts.

The image has one layer, with the bundle under /models, and nothing that runs. It is a function of the bundle alone: the
same bundle gives the same bytes. (OCI image specification 1.1, github.com/opencontainers/image-spec.)
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from service.bundle import Bundle
from service.bundle.writer import write_folder

FOLDER = "models"
DIGEST_ANNOTATION = "fieldguide.bundle.digest"
_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"  # not compressed: weights stay as large as they are


def write_oci_layout(target: Path, bundle: Bundle, files: Mapping[str, bytes]) -> str:
    """Write an image layout, a folder, completely or not at all.

    Args:
        target: The new folder.
        bundle: The bundle.
        files: All of its files, as `service.bundle.read_files` returns them.

    Returns:
        The digest of the image, "sha256:<hex>".

    Raises:
        FileExistsError: `target` exists.
        OSError: The disk is full or not writable.
    """
    named = {
        "org.opencontainers.image.title": bundle.manifest.name,
        "org.opencontainers.image.version": bundle.manifest.version,
        "org.opencontainers.image.created": bundle.manifest.created,
        DIGEST_ANNOTATION: bundle.digest,
    }
    layer = _layer(files)
    config = _json(
        {
            "created": bundle.manifest.created,
            "architecture": "amd64",  # one must be named; no file in it depends on it
            "os": "linux",
            "config": {"Labels": named},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
            "history": [{"created": bundle.manifest.created, "created_by": "fieldguide export"}],
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config),
            "layers": [_descriptor(_LAYER_TYPE, layer)],
            "annotations": named,
        }
    )
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**_descriptor(_MANIFEST_TYPE, manifest), "annotations": {DIGEST_ANNOTATION: bundle.digest}}],
    }
    blobs = {f"blobs/{_digest(blob).replace(':', '/')}": blob for blob in (layer, config, manifest)}
    layout = {"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index)}
    write_folder(target, {**layout, **blobs})
    return _digest(manifest)


def _layer(files: Mapping[str, bytes]) -> bytes:
    """A tar of the files under /models, with everything in it that could differ left out."""
    paths = {f"{FOLDER}/{name}": data for name, data in files.items()}
    folders = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents} - {"."}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted({*folders, *paths}):
            info = tarfile.TarInfo(path)
            if path in folders:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size, info.mode = len(paths[path]), 0o644
                archive.addfile(info, io.BytesIO(paths[path]))
    return buffer.getvalue()


def _descriptor(media_type: str, blob: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": _digest(blob), "size": len(blob)}


def _digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
