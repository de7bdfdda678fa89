"""Runs in the container (`python - < inside.py`), with the standard library alone, and prints a JSON object.

Without an argument: the service's process as the kernel sees it, memory, what can be written. `ready`: ends with 0 if
the service is ready. `ask IMAGE` (base64): the service's answer, for a container that nothing outside can reach.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import urllib.request
from pathlib import Path

URL = f"http://127.0.0.1:{os.environ['FIELDGUIDE_PORT']}"
CGROUP = Path("/sys/fs/cgroup")
# What is read -> its file in version 2 and in version 1.
MEMORY_FILES = {"peak": ("memory.peak", "memory/memory.max_usage_in_bytes")}


def process() -> dict[str, str]:
    """The lines of the service's status."""
    lines = Path("/proc/1/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def can_write(folder: str) -> bool:
    """Whether a file can be made there."""
    path = Path(folder, ".written")
    try:
        path.touch()
    except OSError:
        return False
    path.unlink()
    return True


def first_number(paths: tuple[str, ...]) -> int | None:
    """The number in the first file that there is."""
    for path in paths:
        if (CGROUP / path).exists():
            return int((CGROUP / path).read_text())
    return None


def report() -> dict[str, object]:
    """Everything that is looked at in a running container."""
    status = process()
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    return {
        "uid": int(status["Uid"].split()[0]),
        "capabilities": int(status["CapEff"], 16),
        "no_new_privileges": status["NoNewPrivs"] == "1",
        "seccomp": status["Seccomp"] == "2",
        "read_only": any(mount[1] == "/" and "ro" in mount[3].split(",") for mount in mounts),
        "writable": [folder for folder in ("/", "/opt/fieldguide", "/bundle", "/usr/local/lib") if can_write(folder)],
        "resident_bytes": 1024 * int(status["VmRSS"].split()[0]),
        "peak_bytes": first_number(MEMORY_FILES["peak"]),
        "networks": sorted(path.name for path in Path("/sys/class/net").iterdir()),
    }


def main() -> int:
    """Do what the argument says."""
    if sys.argv[1:2] == ["ready"]:
        return 0 if urllib.request.urlopen(f"{URL}/readyz", timeout=2).status == 200 else 1
    if sys.argv[1:2] == ["ask"]:
        data = base64.b64decode(sys.argv[2])
        request = urllib.request.Request(f"{URL}/v1/predict", data, {"Content-Type": "image/png"})
        print(urllib.request.urlopen(request, timeout=20).read().decode())
        return 0
    print(json.dumps(report()))
    return 0


sys.exit(main())
