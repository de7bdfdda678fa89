"""Checks everything about a bundle that can be checked, for the command `verify`."""

from __future__ import annotations

import os
from typing import Any

from service.bundle import FP32, BundleRefused, TrustedKeys, read_bundle
from service.predictor import Predictor


def verification_report(path: str | os.PathLike[str], *, trusted_key: str | None = None) -> dict[str, Any]:
    """Check the hash of every file, and the golden images with every model file.

    Args:
        path: A bundle, a folder or a zip.
        trusted_key: File of public keys of which one must have signed it; None: it need not be signed.

    Returns:
        What the bundle says of itself, as a JSON object. `models` has what the spec says of each model file that can be
        used here, and its `metrics`; `left_aside` says why another one cannot.

    Raises:
        BundleRefused: A service would refuse the bundle.
    """
    bundle = read_bundle(path, trusted=None if trusted_key is None else TrustedKeys(trusted_key))
    left_aside = dict(bundle.left_aside)
    warnings: list[str] = []
    for name in bundle.models:
        try:
            warnings += [f"{name}: {warning}" for warning in Predictor(bundle, model_file=name).warnings]
        except BundleRefused as error:
            if name == FP32:
                raise
            left_aside[name] = str(error)
    spec: dict[str, Any] = bundle.spec.to_json()
    return {
        "name": bundle.manifest.name,
        "version": bundle.manifest.version,
        "created": bundle.manifest.created,
        "digest": bundle.digest,
        **spec,
        "models": {
            name: {**spec["models"][name], "metrics": dict(bundle.metrics_of(name))}
            for name in bundle.models
            if name not in left_aside
        },
        "left_aside": left_aside,
        "golden_images": len(bundle.golden),
        "warnings": [*warnings, *(f"{name} is left aside: {reason}" for name, reason in left_aside.items())],
    }
