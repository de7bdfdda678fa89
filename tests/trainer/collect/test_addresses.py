"""Which addresses are public, in whatever spelling: nothing else is ever connected to."""

from __future__ import annotations

import socket

import pytest

from trainer.collect.addresses import why_refused
from trainer.collect.failures import Failure
from trainer.collect.resolving import SystemResolver, allowed_addresses
from trainer.collect.running import run
from trainer.collect.urls import check_url

# Address -> what it is. With `allow_private`, those in the first table may be connected to, the others never.
PRIVATE = {
    "10.0.0.0": "private",
    "10.255.255.255": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.1.1": "link-local",
    "100.64.0.1": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "192.0.2.1": "documentation",
    "198.51.100.1": "documentation",
    "203.0.113.255": "documentation",
    "198.18.0.1": "benchmarking",
    "198.19.255.255": "benchmarking",
    "::1": "loopback",
    "fc00::1": "private",
    "fdff:ffff::1": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "private",
    "2001:db8::1": "documentation",
    "3fff::1": "documentation",
    "::ffff:127.0.0.1": "IPv4-mapped (127.0.0.1)",
    "::ffff:a00:1": "IPv4-mapped (10.0.0.1)",
    "::ffff:8.8.8.8": "IPv4-mapped (8.8.8.8)",
    "::ffff:0:10.0.0.1": "IPv4-translated (10.0.0.1)",
    "64:ff9b::10.0.0.1": "NAT64 (10.0.0.1)",
    "64:ff9b:1::7f00:1": "NAT64 (127.0.0.1)",
}
NEVER = {
    "169.254.169.254": "cloud metadata",
    "169.254.170.2": "cloud metadata",
    "100.100.100.200": "cloud metadata",
    "192.0.0.192": "cloud metadata",
    "168.63.129.16": "cloud metadata",
    "fd00:ec2::254": "cloud metadata",
    "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "ff02::1": "multicast",
    "192.0.0.1": "reserved",
    "192.88.99.1": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::127.0.0.1": "reserved",
    "100::1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
    "2001:2::1": "reserved",
    "2002:7f00:1::1": "6to4",
    "2001:0:7f00:1::1": "Teredo",
}
PUBLIC = (
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255"),
    *("100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "169.253.255.255", "223.255.255.255"),
    *("2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888", "2620:fe::fe"),
)
SPELLINGS = (
    *("127.0.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1"),
    *("0x7f.1", "localhost", "LOCALHOST", "0", "0.0.0.0", "0x0a000001", "10.1", "012.0.0.1"),
    *("167772161", "192.168.257", "0xc0a80101", "2852039166", "0xa9fea9fe", "169.254.43518"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:7f00:0001]"),
    *("[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:1::8070:ffff]", "[fe80::1]", "[fd00::1]"),
)


@pytest.mark.parametrize(("address", "kind"), PRIVATE.items())
def test_private_addresses(address: str, kind: str) -> None:
    assert why_refused(address) == kind
    assert why_refused(address, allow_private=True) == ""


@pytest.mark.parametrize(("address", "kind"), NEVER.items())
def test_addresses_that_are_never_connected_to(address: str, kind: str) -> None:
    assert why_refused(address, allow_private=True) == kind
    assert why_refused(address)


@pytest.mark.parametrize("address", ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::224.0.0.1"])
def test_a_metadata_service_behind_another_spelling(address: str) -> None:
    assert why_refused(address)
    assert why_refused(address, allow_private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    assert why_refused(address) == ""


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_private_address_is_refused(spelling: str) -> None:
    """By the look-up of the system, which takes decimal, octal, hexadecimal and short forms."""

    async def look_up() -> list[str]:
        resolver = SystemResolver()
        try:
            host = check_url(f"http://{spelling}/a.jpg").raw_host.decode()
            return await allowed_addresses(resolver, host, 80, allow_private=False)
        finally:
            resolver.close()

    with pytest.raises(Failure) as caught:
        run(look_up())
    assert caught.value.reason in ("private-address", "bad-url") or not _resolves(spelling)


def _resolves(spelling: str) -> bool:
    """Whether the system of this test takes a spelling at all."""
    try:
        return bool(socket.getaddrinfo(spelling.strip("[]"), 80))
    except OSError:
        return False


@pytest.mark.parametrize(
    ("addresses", "allowed"),
    [
        (["10.0.0.1"], []),
        (["10.0.0.1", "1.1.1.1"], ["1.1.1.1"]),
        (["2606:4700::1111", "fd00::1", "1.1.1.1"], ["2606:4700::1111", "1.1.1.1"]),
    ],
)
def test_of_several_addresses_only_the_public_ones_are_used(addresses: list[str], allowed: list[str]) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        return addresses

    if allowed:
        assert run(allowed_addresses(resolve, "x.test", 80, allow_private=False)) == allowed
    else:
        with pytest.raises(Failure, match=r"x\.test has the address 10\.0\.0\.1, which is not public \(private\)"):
            run(allowed_addresses(resolve, "x.test", 80, allow_private=False))


@pytest.mark.parametrize(
    ("error", "temporary"),
    [(socket.gaierror(socket.EAI_NONAME, "unknown"), False), (socket.gaierror(socket.EAI_AGAIN, "later"), True)],
)
def test_a_name_that_is_not_found(error: OSError, temporary: bool) -> None:
    async def resolve(_host: str, _port: int) -> list[str]:
        raise error

    with pytest.raises(Failure) as caught:
        run(allowed_addresses(resolve, "x.test", 80, allow_private=False))
    assert (caught.value.reason, caught.value.temporary) == ("unknown-host", temporary)
