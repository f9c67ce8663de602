"""How a peer is written, and the address it counts by.

Knows addresses as the stdlib's sockets give them. Knows nothing of servers or connections.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import Any

__all__ = ["host_of", "peer_label"]

#: How an IPv4 client looks to a dual-stack server. RFC 4291, section 2.5.5.2.
_MAPPED = "::ffff:"


def host_of(address: Any) -> str | None:
    """The IP address of a peer, IPv4 where it is; None for a local one."""
    return _plain(address[0]) if isinstance(address, tuple) else None


def peer_label(address: Any, sock: socket.socket | None = None) -> str:
    """How a peer is written: `127.0.0.1:50122`, `[::1]:50122`, a path, `pid 4242`, `unnamed`.

    A Unix stream peer has no address; the kernel tells its process id instead.
    """
    if isinstance(address, tuple):
        host, port = address[0], address[1]
        if ":" not in host:
            return f"{host}:{port}"
        host = _plain(host)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(address, bytes):
        return "@" + address.lstrip(b"\0").decode("utf-8", "backslashreplace")
    if address:
        # A path may hold bytes that are no text: those are written as escapes.
        return os.fsencode(str(address)).decode("utf-8", "backslashreplace")
    if sock is not None and hasattr(socket, "SO_PEERCRED"):
        with contextlib.suppress(OSError):  # not a local socket after all
            size = struct.calcsize("3i")
            raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            pid, _uid, _gid = struct.unpack("3i", raw)
            return f"pid {pid}"
    return "unnamed"


def _plain(host: str) -> str:
    # `::ffff:1:2` is another address; only a mapped one is written with dots.
    return host.removeprefix(_MAPPED) if host.startswith(_MAPPED) and "." in host else host
