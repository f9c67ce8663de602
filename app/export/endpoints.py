"""Who talks to whom in a capture: a request's peer and its server's address, or stand-ins.

Knows how peers are written, and IP addresses. Knows nothing of packets' contents.

Stand-ins, where there is no IP address (Unix sockets), none that can be read, or the same one for
both, which would leave nobody to tell them apart:

- the server is 127.0.0.1, at a port from 49152 up that its name gives;
- the client is 127.0.0.2 and up, at a port from 49152 up; the connection's number gives both, so
  that 16,384 ports make the next address and conversations stay apart;
- a server that listens everywhere (`0.0.0.0`, `::`), or whose address is not known or of the other
  IP version, is the loopback address of its peer's version.
"""

from __future__ import annotations

import re
import zlib
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from app.domain import RequestSummary
from app.export.packets import Endpoint, IPAddress

_FIRST_PORT: Final = 49_152  # from here on nothing is registered, so that no protocol is guessed
_PORTS: Final = 65_536 - _FIRST_PORT
_SERVER: Final = IPv4Address("127.0.0.1")
_FIRST_CLIENT: Final = IPv4Address("127.0.0.2")
_CLIENTS: Final = 2**24 - 3  # 127.0.0.2 to 127.255.255.254
_LOOPBACK: Final[dict[int, IPAddress]] = {4: _SERVER, 6: IPv6Address("::1")}

_WRITTEN = re.compile(r"(?:\[([^]]+)]|([^]:[]+)):([0-9]{1,5})")


def endpoints(row: RequestSummary) -> tuple[Endpoint, Endpoint]:
    """The client and the server, of one IP version. Any text will do."""
    # A socket file's path may look like an address.
    client = None if row.transport.startswith("unix") else endpoint(row.peer)
    if client is not None:
        server = _server(row, client.host.version)
        if server != client:
            return client, server
    return _stand_in(row), Endpoint(_SERVER, _stand_in_port(row))


def endpoint(text: str) -> Endpoint | None:
    """What is written as `127.0.0.1:50122` or `[::1]:50122`; None if nothing is."""
    match = _WRITTEN.fullmatch(text)
    if match is None or int(match[3]) > 0xFFFF:
        return None
    try:
        return Endpoint(ip_address(match[1] or match[2]), int(match[3]))
    except ValueError:
        return None


def _server(row: RequestSummary, version: int) -> Endpoint:
    """Where a client of this IP version found it."""
    server = endpoint(row.address)
    if server is None:
        return Endpoint(_LOOPBACK[version], _stand_in_port(row))
    if server.host.is_unspecified or server.host.version != version:
        return Endpoint(_LOOPBACK[version], server.port)
    return server


def _stand_in(row: RequestSummary) -> Endpoint:
    rounds, number = divmod(row.connection_id, _PORTS)
    return Endpoint(_FIRST_CLIENT + rounds % _CLIENTS, _FIRST_PORT + number)


def _stand_in_port(row: RequestSummary) -> int:
    name = row.server.encode("utf-8", "backslashreplace")
    return _FIRST_PORT + zlib.crc32(name) % _PORTS
