"""Who is counted together with whom, by where they come from. Knows addresses as text."""

from __future__ import annotations

import ipaddress


def crowd_of(host: str) -> str:
    """Whom one visitor is counted with: an IPv4 address, or an IPv6 network of 64 bits, in which
    one machine may have any address."""
    host = host.partition("%")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host  # it left before it could be asked who it was
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
