"""The named combinations of a transport with a concurrency. Source: stdlib socketserver."""

from __future__ import annotations

import socket

from sockcore.pool import PoolMixIn
from sockcore.tcp import TCPServer
from sockcore.threads import ThreadingMixIn
from sockcore.udp import UDPServer

__all__ = ["PoolTCPServer", "PoolUDPServer", "ThreadingTCPServer", "ThreadingUDPServer"]


class ThreadingUDPServer(ThreadingMixIn, UDPServer):
    """A thread for each datagram."""


class ThreadingTCPServer(ThreadingMixIn, TCPServer):
    """A thread for each connection."""


class PoolUDPServer(PoolMixIn, UDPServer):
    """Datagrams, answered by a bounded set of threads."""


class PoolTCPServer(PoolMixIn, TCPServer):
    """Connections, answered by a bounded set of threads."""


if hasattr(socket, "AF_UNIX"):
    from sockcore.tcp import UnixStreamServer
    from sockcore.udp import UnixDatagramServer

    class ThreadingUnixStreamServer(ThreadingMixIn, UnixStreamServer):
        """A thread for each local connection."""

    class ThreadingUnixDatagramServer(ThreadingMixIn, UnixDatagramServer):
        """A thread for each local datagram."""

    class PoolUnixStreamServer(PoolMixIn, UnixStreamServer):
        """Local connections, answered by a bounded set of threads."""

    class PoolUnixDatagramServer(PoolMixIn, UnixDatagramServer):
        """Local datagrams, answered by a bounded set of threads."""

    __all__ += [
        "PoolUnixDatagramServer",
        "PoolUnixStreamServer",
        "ThreadingUnixDatagramServer",
        "ThreadingUnixStreamServer",
    ]
