"""Restricted environments for a process: Linux namespaces, which need no rights if a machine allows them."""

from __future__ import annotations

import subprocess
import sys

import pytest

# A user without a name, and without the rights of root even over its own namespaces.
USER = 12345
_READ_ONLY = """
cut -d " " -f 2 /proc/self/mounts | while read place; do mount -o remount,bind,ro "$place" 2>/dev/null; done
for place in / /tmp /var/tmp /dev/shm "$HOME" .; do test -w "$place" && echo "$place is writable" >&2 && exit 9; done
"""
_OFFLINE = "ip link set lo up || exit 9\n"
_EXEC = 'exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"'
_POST = """
import sys, urllib.request
request = urllib.request.Request(sys.argv[1], sys.stdin.buffer.read(), {"Content-Type": "image/png"})
print(urllib.request.urlopen(request).read().decode())
"""


def surroundings(*, read_only: bool = False, offline: bool = False) -> list[str]:
    """Return the start of a command; the rest of it runs as user 12345. Skips the test if this machine forbids it.

    read_only  no file can be written, anywhere
    offline    there is no network but the host itself
    """
    namespaces = [*(["--mount"] if read_only else []), *(["--net"] if offline else [])]
    user = [f"--map-user={USER}", f"--map-group={USER}", "--keep-caps"]
    script = (_READ_ONLY if read_only else "") + (_OFFLINE if offline else "") + _EXEC
    command = ["unshare", "--user", *user, *namespaces, "sh", "-c", script, "sh"]
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no unshare (util-linux) here")
    if tried.returncode:
        pytest.skip(f"this machine does not allow it: {tried.stderr.strip()}")
    return command


def post_from_within(pid: int, url: str, image: bytes) -> str:
    """Post a PNG image from inside the network of a process, and return the response."""
    enter = ["nsenter", "--target", str(pid), "--user", "--net", "--preserve-credentials"]
    command = [*enter, sys.executable, "-c", _POST, url]
    return subprocess.run(command, input=image, capture_output=True, check=True, timeout=30).stdout.decode().strip()
