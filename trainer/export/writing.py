"""From the parts of a bundle to the bundle on disk, which has passed every check that the service makes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from service.bundle import (
    FP32,
    Bundle,
    BundleRefused,
    SigningKey,
    Spec,
    canonical_json,
    golden,
    read_bundle,
    write_bundle,
)
from service.predictor import Predictor
from trainer.errors import ExportError
from trainer.export.draft import ModelDraft, draft_predictor
from trainer.export.golden import make_golden
from trainer.export.origin import producer


@dataclass(frozen=True, kw_only=True, eq=False)
class BundleParts:
    """What a bundle is made of, but for the probabilities of its golden images.

    Attributes:
        spec: Content of spec.json.
        drafts: Model file -> the file.
        images: Path in the bundle -> golden image, encoded.
        metrics: Content of metrics.json.
        card: Text of card.md.
    """

    spec: Spec
    drafts: Mapping[str, ModelDraft]
    images: Mapping[str, bytes]
    metrics: Mapping[str, Any]
    card: str


def write_checked(
    target: Path, parts: BundleParts, *, name: str, version: str, created: str, key: SigningKey | None = None
) -> Bundle:
    """Write a bundle, a folder or a zip, and read it back.

    Args:
        target: Path of the bundle; a zip if it ends in `.zip`.
        parts: What it is made of.
        name: Of the bundle.
        version: Of the bundle.
        created: ISO 8601 time.
        key: Signs it; None: it is not signed.

    Raises:
        ExportError: The bundle does not pass its own checks.
        FileExistsError: `target` exists.
        OSError: The bundle cannot be written.
    """
    predictors = {file: draft_predictor(parts.spec, draft, model_file=file) for file, draft in parts.drafts.items()}
    head = parts.drafts[FP32].head
    contents = {
        "spec.json": canonical_json.dumps(parts.spec.to_json()),
        **{file: draft.data for file, draft in parts.drafts.items()},
        "metrics.json": canonical_json.dumps(parts.metrics),
        "card.md": parts.card.encode(),
        golden.INDEX: golden.encode(make_golden(parts.images, predictors)),
        **parts.images,
        **({} if head is None else {"head.npy": _npy_bytes(head)}),
    }
    try:
        write_bundle(
            target,
            contents,
            name=name,
            version=version,
            created=created,
            producer=producer(),
            check=_check_loads,
            sign=None if key is None else key.sign,
        )
    except BundleRefused as error:
        raise ExportError(f"no bundle was written: it did not pass its own checks: {error}") from error
    return read_bundle(target)


def _check_loads(path: Path) -> None:
    """Load every model file of a written bundle as the service does, with its golden images."""
    bundle = read_bundle(path)
    for reason in bundle.left_aside.values():
        raise BundleRefused(reason)
    for name in bundle.models:
        Predictor(bundle, model_file=name)


def _npy_bytes(array: npt.NDArray[np.float32]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return file.getvalue()
