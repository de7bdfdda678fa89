"""Restricted environments: it serves, or fails to start with one line."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.bundles import make_image
from tests.support.server import RunningServer, run_serve
from tests.support.surroundings import USER, post_from_within, surroundings

# Several megabytes: what a server would put into a temporary file.
LARGE = make_image("red", size=(1500, 1500), encoding="BMP")


def responses(server: RunningServer) -> bool:
    response = httpx.post(server.url + "/analyze", files={"file": LARGE}, timeout=20)
    return bool(response.json() == {"result": "red"})


def with_files(count: int) -> list[str]:
    """Return the start of a command; the rest of it may have so many files open."""
    return ["sh", "-c", f'ulimit -n {count} && exec "$@"', "sh"]


def assert_ends_well(server: RunningServer) -> None:
    assert server.stop() == 0
    assert "Traceback" not in server.log


def recovers(server: RunningServer) -> bool:
    """Return whether a new connection is served again, once the server has noticed that others are closed."""
    for _ in range(100):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(server.url + "/livez").status_code == 200:
                return True
        time.sleep(0.05)
    return False


def open_files(server: RunningServer) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def status_line(server: RunningServer, name: str) -> str:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(line for line in lines if line.startswith(name))


def test_a_user_without_name_or_rights(bundle_path: Path) -> None:
    within = surroundings()
    asked = "import os, pwd; print(os.getuid(), os.getuid() in [user.pw_uid for user in pwd.getpwall()])"
    done = subprocess.run([*within, sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == f"{USER} False\n"
    with RunningServer(bundle_path, within=within) as server:
        assert status_line(server, "CapEff").split()[1] == "0" * 16
        assert responses(server)
        assert_ends_well(server)


@pytest.mark.parametrize("named", [True, False], ids=["home", "no variables"])
def test_a_read_only_file_system(bundle_path: Path, tmp_path: Path, named: bool) -> None:
    within = surroundings(read_only=True)
    if not named:
        within = ["env", "-u", "HOME", "-u", "TMPDIR", *within]
    with RunningServer(bundle_path, environ={"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}, within=within) as server:
        assert responses(server)
        assert_ends_well(server)
    assert list(tmp_path.iterdir()) == []


def test_no_environment_variables_at_all(bundle_path: Path) -> None:
    with RunningServer(bundle_path, within=["env", "-i"]) as server:
        assert responses(server)
        assert_ends_well(server)


def test_all_restrictions_at_once(bundle_path: Path) -> None:
    """A user without a name, a read-only file system, no network, no variables, few open files."""
    within = [*surroundings(read_only=True, offline=True), "env", "-i", *with_files(64)]
    with RunningServer(bundle_path, within=within) as server:
        image = make_image("green", size=(600, 600))
        assert post_from_within(server.process.pid, server.url + "/analyze", image) == '{"result":"green"}'
        assert_ends_well(server)


@pytest.mark.parametrize("count", [9, 12, 14, 31])
def test_too_few_open_files_to_start(bundle_path: Path, count: int) -> None:
    command = [*with_files(count), sys.executable, "-m", "service", "serve", str(bundle_path), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stderr == f"error: cannot start: {count} open files are allowed (ulimit -n), 32 are needed\n"


def test_just_enough_open_files_to_start(bundle_path: Path) -> None:
    with RunningServer(bundle_path, within=with_files(32)) as server:
        assert responses(server)
        held = [server.connect() for _ in range(50)]
        for connection in held:
            connection.close()
        assert recovers(server)
        assert responses(server)
        assert_ends_well(server)


def test_no_open_file_left_while_it_serves(bundle_path: Path) -> None:
    """Images are processed on existing connections; others are closed until there is room."""
    with RunningServer(bundle_path) as server:
        with httpx.Client(base_url=server.url, timeout=20) as client:
            assert client.get("/livez").status_code == 200
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (open_files(server),) * 2)
            with server.connect() as surplus:
                for colour in ("red", "green", "blue"):
                    image = {"file": make_image(colour)}
                    assert client.post("/analyze", files=image).json() == {"result": colour}
                assert surplus.recv(1) == b""
        assert recovers(server)
        assert responses(server)
        assert_ends_well(server)


def test_a_port_without_permission(bundle_path: Path) -> None:
    command = [*surroundings(offline=True), sys.executable, "-m", "service", "serve", str(bundle_path), "--port", "80"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert done.stderr == (
        "error: cannot listen on '127.0.0.1' port 80: Permission denied; choose a port of 1024 or higher with --port\n"
    )


def test_an_address_of_another_host(bundle_path: Path) -> None:
    done = run_serve(str(bundle_path), "--host", "192.0.2.1", "--port", "0")  # RFC 5737: for documentation only
    assert done.returncode == 3
    reason = "Cannot assign requested address; name an address of this machine, 0.0.0.0 or :: for all of them"
    assert done.stderr == f"error: cannot listen on '192.0.2.1' port 0: {reason}\n"


def test_a_port_taken_on_every_address(bundle_path: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_serve(str(bundle_path), "--host", "0.0.0.0", "--port", str(port))
    assert done.returncode == 3
    assert done.stderr.startswith(f"error: cannot listen on '0.0.0.0' port {port}: Address already in use; stop ")


def test_a_bundle_that_cannot_be_read(bundle_path: Path) -> None:
    """Not even by root, like on a file system that fails."""
    done = run_serve("/proc/self/mem", "--port", "0")
    assert done.returncode == 3
    assert done.stderr.startswith("error: bundle refused: /proc/self/mem")
    assert done.stderr.count("\n") == 1
