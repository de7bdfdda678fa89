"""Checks the bill of materials of an image, from its files: it is valid, and every Python package is a locked one.

podman export CONTAINER | python -m tests.container.bill LOCK
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import IO

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import audit, sbom


def problems(image: IO[bytes], lock: Path) -> list[str]:
    """What is wrong with an image's bill: it is not valid, or names Python packages that the lock does not.

    Args:
        image: The archive of its files.
        lock: The lock from which it was built.
    """
    document = sbom.document(sbom.ImageFiles(image))
    locked = {f"pkg:pypi/{name}@{version}" for name, version in audit.read_lock(lock.read_text("utf-8"))}
    found = {purl for item in document["components"] if (purl := item["purl"]).startswith("pkg:pypi/")}
    unknown = sorted(purl for purl in found - locked if not purl.startswith("pkg:pypi/fieldguide@"))
    invalid = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    few = [f"{len(found)} Python packages are too few"] if len(found) < 10 else []
    return [*unknown, *few, *([str(invalid)] if invalid else [])]


def main() -> int:
    """Print what is wrong; returns 0 if nothing is."""
    found = problems(sys.stdin.buffer, Path(sys.argv[1]))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
