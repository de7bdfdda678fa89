"""Where a container finds its bundle, if nobody names one."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from service.bundle.errors import BundleRefused
from service.bundle.manifest import MANIFEST

# Ours; that of KServe; that of SageMaker.
BUNDLE_PLACES = (Path("/bundle"), Path("/mnt/models"), Path("/opt/ml/model"))


def find_bundle(places: Sequence[Path] = BUNDLE_PLACES) -> Path:
    """Find the bundle in the first place that has one: the place itself, or the only one of its folders and files.

    Args:
        places: Folders or files that may not exist.

    Raises:
        BundleRefused: No place has a bundle, or the first that is not empty has several.
    """
    for place in places:
        if place.is_file() or (place / MANIFEST).exists():
            return place
        if place.is_dir():
            inside = sorted(path for path in place.iterdir() if (path / MANIFEST).exists() or _is_zip(path))
            if len(inside) > 1:
                raise BundleRefused(
                    f"{place} has several bundles ({', '.join(path.name for path in inside)}); name one"
                )
            if inside:
                return inside[0]
    named = ", ".join(map(str, places))
    raise BundleRefused(f"there is no bundle: name one, set FIELDGUIDE_BUNDLE, or put one at {named}")


def _is_zip(path: Path) -> bool:
    return path.suffix == ".zip" and path.is_file() and zipfile.is_zipfile(path)
