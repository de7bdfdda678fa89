"""Which addresses of the internet protocol are public. A name is judged by the addresses that it resolves to.

A list of URLs may name a router, a database or the metadata service of a cloud: whoever wrote the list could use this
program to reach what only this machine can reach. The ranges are those of the IANA special-purpose address registries
(RFC 6890 and its updates), written out here: what `ipaddress.is_global` says differs between versions of Python.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def _networks(ranges: Mapping[str, str]) -> dict[Network, str]:
    return {ip_network(network): kind for ranges, kind in ranges.items() for network in ranges.split()}


# What a server of one's own may have.
_PRIVATE = _networks(
    {
        "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10": "private",
        "127.0.0.0/8 ::1/128": "loopback",
        "169.254.0.0/16 fe80::/10": "link-local",
        "100.64.0.0/10": "carrier-grade NAT",
        "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20": "documentation",
        "198.18.0.0/15 2001:2::/48": "benchmarking",
    }
)
# What no image is ever downloaded from.
_NEVER = _networks(
    {
        # AWS, Google, Azure and others; AWS over IPv6; Alibaba; Oracle; Azure's host.
        "169.254.169.254/32 169.254.170.2/32 fd00:ec2::254/128 100.100.100.200/32 192.0.0.192/32 168.63.129.16/32": (
            "cloud metadata"
        ),
        "0.0.0.0/8 ::/128": "unspecified",
        "224.0.0.0/4 ff00::/8": "multicast",
        "2001::/32": "Teredo",
        "2002::/16": "6to4",
        "192.0.0.0/24 192.88.99.0/24 240.0.0.0/4 100::/64 2001::/23 5f00::/16": "reserved",
    }
)
# IPv6 addresses whose packets end at the IPv4 address in their lowest 32 bits.
_IPV4_AT_THE_END = _networks(
    {
        "::ffff:0:0/96": "IPv4-mapped",
        "::ffff:0:0:0/96": "IPv4-translated",
        "64:ff9b::/96 64:ff9b:1::/48": "NAT64",
    }
)
_LOW_32_BITS = 0xFFFFFFFF
_PUBLIC_IPV6 = IPv6Network("2000::/3")


def why_refused(address: str, *, allow_private: bool = False) -> str:
    """Say why an address is not connected to.

    Args:
        address: As `socket.getaddrinfo` writes it; an IPv6 address may have a zone.
        allow_private: Whether servers of one's own network are allowed. Metadata services, multicast, reserved and
            unspecified addresses are refused nevertheless.

    Returns:
        What kind of address it is, such as `loopback`; empty if it may be connected to.

    Raises:
        ValueError: It is no address.
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if embedding := _kind(found, _IPV4_AT_THE_END):
        inner = IPv4Address(int(found) & _LOW_32_BITS)
        return why_refused(str(inner), allow_private=True) if allow_private else f"{embedding} ({inner})"
    if kind := _kind(found, _NEVER):
        return kind
    if kind := _kind(found, _PRIVATE):
        return "" if allow_private else kind
    return "" if found.version == 4 or found in _PUBLIC_IPV6 else "reserved"


def _kind(address: Address, networks: Mapping[Network, str]) -> str:
    return next((kind for network, kind in networks.items() if address in network), "")
