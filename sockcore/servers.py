"""The named combinations of a transport with a concurrency. Source: stdlib socketserver."""

from __future__ import annotations

import socket

from sockcore.tcp import TCPServer
from sockcore.threads import ThreadingMixIn
from sockcore.udp import UDPServer

__all__ = ["ThreadingTCPServer", "ThreadingUDPServer"]


class ThreadingUDPServer(ThreadingMixIn, UDPServer):
    """A thread for each datagram."""


class ThreadingTCPServer(ThreadingMixIn, TCPServer):
    """A thread for each connection."""


if hasattr(socket, "AF_UNIX"):
    from sockcore.tcp import UnixStreamServer
    from sockcore.udp import UnixDatagramServer

    class ThreadingUnixStreamServer(ThreadingMixIn, UnixStreamServer):
        """A thread for each local connection."""

    class ThreadingUnixDatagramServer(ThreadingMixIn, UnixDatagramServer):
        """A thread for each local datagram."""

    __all__ += ["ThreadingUnixDatagramServer", "ThreadingUnixStreamServer"]
