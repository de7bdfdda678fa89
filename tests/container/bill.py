"""Checks the bill of materials of an image, from its files: it is valid, and every Python package is a locked one.

podman export CONTAINER | python -m tests.container.bill LOCK
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import audit, sbom


def main() -> int:
    """Return 0 if the bill is valid and has nothing of a package index that the lock does not name."""
    document = sbom.document(sbom.ImageFiles(sys.stdin.buffer))
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    locked = {f"pkg:pypi/{name}@{version}" for name, version in audit.read_lock(Path(sys.argv[1]).read_text())}
    found = {purl for item in document["components"] if (purl := item["purl"]).startswith("pkg:pypi/")}
    unknown = {purl for purl in found - locked if not purl.startswith("pkg:pypi/fieldguide@")}
    print(f"components={len(document['components'])} python_packages={len(found)} not_locked={len(unknown)}")
    for complaint in filter(None, [*sorted(unknown), error]):
        print(complaint, file=sys.stderr)
    return 1 if error or unknown or len(found) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
