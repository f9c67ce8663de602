"""sockcore: the stdlib's socketserver, made into something that can be run and watched.

`import sockcore as socketserver` works. On top: `BackgroundServer` runs one server in a thread
and shows its connections; an event sink hears what happens; `Limits` bound what it may use.

    BaseServer
    `- TCPServer -------- UnixStreamServer
       `- UDPServer ----- UnixDatagramServer
    ThreadingMixIn + each of the four: ThreadingTCPServer, ...

    BaseRequestHandler
    |- StreamRequestHandler
    `- DatagramRequestHandler
"""

from __future__ import annotations

# The modules are there for programs that reach, or patch, `socketserver.socket` and the like.
import os
import select
import selectors
import socket
import sys
import threading

from sockcore.background import BackgroundServer
from sockcore.base import BaseServer, _ServerSelector
from sockcore.connections import ConnectionInfo
from sockcore.errors import (
    CertificateError,
    FrameError,
    FrameTooLong,
    SendBufferFull,
    SockcoreError,
    StateError,
)
from sockcore.events import (
    AcceptPaused,
    AcceptResumed,
    Bytes,
    Chunk,
    ClosedBy,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    Event,
    EventSink,
    HandlerOverdue,
    Outcome,
    RequestFinished,
    RequestProgressed,
    ServerStarted,
    ServerStopped,
)
from sockcore.framing import (
    DatagramFraming,
    DelimiterFraming,
    FixedFraming,
    Framing,
    IdleGapFraming,
    LengthFraming,
    LineFraming,
    RawFraming,
)
from sockcore.handlers import (
    BaseRequestHandler,
    DatagramRequestHandler,
    StreamRequestHandler,
    _SocketWriter,
)
from sockcore.host import HostedServer, Restarts
from sockcore.limits import Limits
from sockcore.messages import MessageRequestHandler
from sockcore.pool import PoolMixIn
from sockcore.servers import (
    PoolTCPServer,
    PoolUDPServer,
    ThreadingTCPServer,
    ThreadingUDPServer,
)
from sockcore.state import ServerState
from sockcore.tcp import TCPServer
from sockcore.threads import ThreadingMixIn, _NoThreads, _Threads
from sockcore.totals import Totals
from sockcore.udp import UDPServer

__version__ = "0.4"  # of the stdlib's interface

__all__ = [
    "AcceptPaused",
    "AcceptResumed",
    "BackgroundServer",
    "BaseRequestHandler",
    "BaseServer",
    "Bytes",
    "CertificateError",
    "Chunk",
    "ClosedBy",
    "ConnectionClosed",
    "ConnectionInfo",
    "ConnectionOpened",
    "ConnectionRefused",
    "DatagramFraming",
    "DatagramRequestHandler",
    "DelimiterFraming",
    "Event",
    "EventSink",
    "FixedFraming",
    "FrameError",
    "FrameTooLong",
    "Framing",
    "HandlerOverdue",
    "HostedServer",
    "IdleGapFraming",
    "LengthFraming",
    "Limits",
    "LineFraming",
    "MessageRequestHandler",
    "Outcome",
    "PoolMixIn",
    "PoolTCPServer",
    "PoolUDPServer",
    "RawFraming",
    "RequestFinished",
    "RequestProgressed",
    "Restarts",
    "SendBufferFull",
    "ServerStarted",
    "ServerState",
    "ServerStopped",
    "SockcoreError",
    "StateError",
    "StreamRequestHandler",
    "TCPServer",
    "ThreadingMixIn",
    "ThreadingTCPServer",
    "ThreadingUDPServer",
    "Totals",
    "UDPServer",
]

# Private in the stdlib too, and used by programs all the same.
_PRIVATE = (_NoThreads, _ServerSelector, _SocketWriter, _Threads)
_MODULES = (os, selectors, socket, sys, threading)

if hasattr(socket, "AF_UNIX"):
    from sockcore.servers import (
        PoolUnixDatagramServer,
        PoolUnixStreamServer,
        ThreadingUnixDatagramServer,
        ThreadingUnixStreamServer,
    )
    from sockcore.tcp import UnixStreamServer
    from sockcore.udp import UnixDatagramServer

    __all__ += [
        "PoolUnixDatagramServer",
        "PoolUnixStreamServer",
        "ThreadingUnixDatagramServer",
        "ThreadingUnixStreamServer",
        "UnixDatagramServer",
        "UnixStreamServer",
    ]

if hasattr(os, "fork"):
    from sockcore.forks import ForkingMixIn
    from sockcore.servers import ForkingTCPServer, ForkingUDPServer

    __all__ += ["ForkingMixIn", "ForkingTCPServer", "ForkingUDPServer"]

    if hasattr(socket, "AF_UNIX"):
        from sockcore.servers import ForkingUnixDatagramServer, ForkingUnixStreamServer

        __all__ += ["ForkingUnixDatagramServer", "ForkingUnixStreamServer"]

if hasattr(select, "epoll"):
    from sockcore.event import EventMixIn
    from sockcore.servers import EventTCPServer

    __all__ += ["EventMixIn", "EventTCPServer"]

    if hasattr(socket, "AF_UNIX"):
        from sockcore.servers import EventUnixStreamServer

        __all__ += ["EventUnixStreamServer"]
