"""The addresses that a server listens on, with real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from service.web.server.listening import CannotListen, listen, urls
from tests.support.server import RunningServer, run_serve

ADVICE = "stop what listens there, or choose another port with --port, 0 for any free one"
NO_IPV6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


@contextmanager
def listening(*hosts: str, port: int = 0) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(each) for each in listen(Settings(host=",".join(hosts), port=port))]


def names(listeners: list[socket.socket]) -> set[str]:
    assert len({listener.getsockname()[1] for listener in listeners}) == 1  # one port for all
    return {listener.getsockname()[0] for listener in listeners}


@pytest.fixture
def two_addresses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str]]:
    """The addresses of the host name `two.example`, to be changed by a test."""
    addresses = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "127.0.0.2")]
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, **options: Any) -> Any:
        if host != "two.example":
            return resolve(host, port, **options)
        return [info for family, name in addresses for info in resolve(name, port, family=family, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return addresses


def test_port_taken(bundle_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_serve(str(bundle_path), "--port", str(port))
    assert done.returncode == 3
    assert done.stderr == f"error: cannot listen on '127.0.0.1' port {port}: Address already in use; {ADVICE}\n"


def test_host_that_does_not_exist(bundle_path: Path) -> None:
    done = run_serve(str(bundle_path), "--host", "no.such.host.invalid", "--port", "0")
    assert done.returncode == 3
    assert done.stderr.startswith("error: cannot listen on 'no.such.host.invalid' port 0: ")
    assert "--port" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_the_host_is_explained(bundle_path: Path) -> None:
    done = run_serve(str(bundle_path), "--host", "localhost:8000", "--port", "0")
    assert done.returncode == 3
    assert done.stderr.endswith("; give the port with --port\n")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_invalid_host_names(bundle_path: Path, host: str) -> None:
    done = run_serve(str(bundle_path), "--host", host, "--port", "0")
    assert done.returncode == 3
    assert done.stderr == f"error: cannot listen on {host!r} port 0: this is not a valid host name\n"


@NO_IPV6
def test_the_address_for_ipv6_takes_ipv4_too(bundle_path: Path) -> None:
    """The container listens on `::`; it answered on IPv6 alone."""
    with RunningServer(bundle_path, "--host", "::") as server:
        port = server.url.rpartition(":")[2]
        for address in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{address}:{port}/readyz").status_code == 200
            assert f"http://{address}:{port}" in server.log


@NO_IPV6
def test_several_hosts_have_one_port_and_every_url_is_in_the_log(bundle_path: Path) -> None:
    """Only the first address of the only host was used."""
    with RunningServer(bundle_path, "--host", "127.0.0.2", "--host", "[::1]", "--host", "localhost") as server:
        port = server.url.rpartition(":")[2]
        for address in ("127.0.0.2", "[::1]", "127.0.0.1"):
            assert httpx.get(f"http://{address}:{port}/readyz").status_code == 200
            assert f"http://{address}:{port}" in server.log
        assert server.stop() == 0


def test_without_ipv6_its_address_is_that_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listening("::") as listeners:
        assert names(listeners) == {"0.0.0.0"}


def test_a_name_is_served_on_all_its_addresses(two_addresses: list[tuple[Any, str]]) -> None:
    with listening("two.example") as listeners:
        assert names(listeners) == {"127.0.0.1", "127.0.0.2"}
    two_addresses.append((socket.AF_INET, "192.0.2.1"))  # RFC 5737: nobody has it
    with listening("two.example") as listeners:
        assert names(listeners) == {"127.0.0.1", "127.0.0.2"}
    del two_addresses[:2]
    with pytest.raises(CannotListen, match=r"^cannot listen on 'two\.example' port 0: .*; name an address of this"):
        listen(Settings(host="two.example,127.0.0.1", port=0))


def test_addresses_that_others_cover_are_left_out() -> None:
    with listening("127.0.0.1", "0.0.0.0", "127.0.0.2", "0.0.0.0") as listeners:
        assert names(listeners) == {"0.0.0.0"}
    with listening("127.0.0.1", "::", "0.0.0.0") as listeners:
        assert len(listeners) == 1


def test_a_port_that_is_taken_on_one_address_is_not_used_on_the_others() -> None:
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=r"'127\.0\.0\.2'"):
            listen(Settings(host="127.0.0.1,127.0.0.2", port=port))
        with socket.create_server(("127.0.0.1", port)):
            """Nothing was left open on the first address."""


def test_beyond_loopback_the_url_in_the_local_network_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        own = asking.getsockname()[0]
    with listening("0.0.0.0") as listeners:
        port = listeners[0].getsockname()[1]
        assert urls(listeners) == (f"http://127.0.0.1:{port}", f"http://{own}:{port}")
        with socket.create_connection((own, port), timeout=5):
            """It answers there."""
    with listening("127.0.0.1") as listeners:
        assert urls(listeners) == (f"http://127.0.0.1:{listeners[0].getsockname()[1]}",)
