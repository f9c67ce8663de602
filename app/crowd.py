"""What an address says of who comes from it, and who is counted together with whom."""

from __future__ import annotations

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def unmapped(address: IPAddress) -> IPAddress:
    """An IPv4 address that is written as an IPv6 one, `::ffff:192.0.2.1`, is taken for what it
    is."""
    return getattr(address, "ipv4_mapped", None) or address


def crowd_of(host: str) -> str:
    """Whom one visitor is counted with: an IPv4 address, or an IPv6 network of 64 bits, in which
    one machine may have any address."""
    host = host.partition("%")[0]
    try:
        address = unmapped(ipaddress.ip_address(host))
    except ValueError:
        return host  # it left before it could be asked who it was
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))
