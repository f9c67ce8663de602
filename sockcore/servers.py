"""The named combinations of a transport with a concurrency. Source: stdlib socketserver."""

from __future__ import annotations

import os
import select
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


if hasattr(os, "fork"):
    from sockcore.forks import ForkingMixIn

    class ForkingUDPServer(ForkingMixIn, UDPServer):
        """A process for each datagram."""

    class ForkingTCPServer(ForkingMixIn, TCPServer):
        """A process for each connection."""

    __all__ += ["ForkingTCPServer", "ForkingUDPServer"]


if hasattr(select, "epoll"):
    from sockcore.event import EventMixIn

    class EventTCPServer(EventMixIn, TCPServer):
        """Connections on one loop."""

    __all__ += ["EventTCPServer"]


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

    if hasattr(os, "fork"):

        class ForkingUnixStreamServer(ForkingMixIn, UnixStreamServer):
            """A process for each local connection."""

        class ForkingUnixDatagramServer(ForkingMixIn, UnixDatagramServer):
            """A process for each local datagram."""

        __all__ += ["ForkingUnixDatagramServer", "ForkingUnixStreamServer"]

    if hasattr(select, "epoll"):

        class EventUnixStreamServer(EventMixIn, UnixStreamServer):
            """Local connections on one loop."""

        __all__ += ["EventUnixStreamServer"]
