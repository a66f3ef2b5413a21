"""Network addresses that may be called on behalf of a shop: public ones only, to protect our own network (SSRF)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

Resolver = Callable[[str, int], Sequence[str]]
_METADATA = {ip_address(name) for name in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")}
"""Metadata services of cloud providers, which reveal secrets; not all of them are in private networks."""
_NEITHER = [ip_network(name) for name in ("100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24")]
"""Neither private nor public: carrier-grade NAT (RFC 6598), protocol assignments (RFC 6890), 6to4 relays (RFC 7526)."""
_NAT64 = IPv6Network("64:ff9b::/96")


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def is_public(text: str) -> bool:
    """Return whether an address is on the public internet; for one that embeds an IPv4 address, that one counts."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        wrapped = address.ipv4_mapped
        if wrapped is None and address in _NAT64:
            wrapped = IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            return is_public(str(wrapped))
        if address.sixtofour or address.teredo or address.is_site_local:
            return False
    elif any(address in item for item in _NEITHER):
        return False
    refused = (
        address.is_private,
        address.is_loopback,
        address.is_link_local,
        address.is_multicast,
        address.is_reserved,
        address.is_unspecified,
        address in _METADATA,
    )
    return address.is_global and not any(refused)


def is_loopback(text: str) -> bool:
    try:
        return ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return False
