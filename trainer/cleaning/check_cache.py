"""The result of a check, kept on the disk: decoding every image takes a while."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.atomic import atomic_write_text
from trainer.catalog import Row
from trainer.checking.findings import CheckResult, Finding, FoundImage

_FORMAT = 1  # raise it if a check finds something else


def write_check(cache: Path, result: CheckResult, rows: Sequence[Row]) -> None:
    """Write the result of a check of these images. If it cannot be written, there is none."""
    try:
        with atomic_write_text(cache) as file:
            json.dump({"key": _key(rows), **result.to_dict()}, file)
    except OSError:
        return


def read_check(cache: Path, rows: Sequence[Row]) -> CheckResult | None:
    """Read it; None if it is not there, of other images, or damaged."""
    try:
        value = json.loads(cache.read_bytes())
        if value["key"] != _key(rows):
            return None
        return CheckResult(
            root=Path(value["root"]),
            summary=value["summary"],
            images=value["images"],
            classes=value["classes"],
            findings=tuple(map(_finding, value["findings"])),
            remarks=tuple(value["remarks"]),
            seconds=value["seconds"],
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _finding(value: dict[str, Any]) -> Finding:
    images = [{**image, "labels": tuple(image["labels"])} for image in value["images"]]
    return Finding(
        kind=value["kind"],
        summary=value["summary"],
        details=tuple(value["details"]),
        images=tuple(FoundImage(**image) for image in images),
    )


def _key(rows: Sequence[Row]) -> str:
    digest = hashlib.sha256(f"{_FORMAT}\n".encode())
    for row in rows:
        digest.update(f"{row.path!r} {row.sha256} {row.split} {sorted(row.labels)!r}\n".encode())
    return digest.hexdigest()
