"""The kinds of server: transport x concurrency, when to choose each, and the class of each."""

from __future__ import annotations

from collections.abc import Mapping

import sockcore
from app.domain import CONCURRENCIES, TRANSPORTS, Concurrency, Kind, Transport

_SENTENCES: Mapping[tuple[Transport, Concurrency], str] = {
    ("tcp", "threading"): (
        "A thread for every connection: choose it when clients stay connected or take their time."
    ),
    ("tcp", "single"): (
        "One connection at a time, the next waits in the backlog: choose it for short exchanges"
        " over state that must not be shared between threads."
    ),
    ("udp", "threading"): (
        "A thread for every datagram: choose it when an answer takes time to work out, and the"
        " order of answers does not matter."
    ),
    ("udp", "single"): (
        "Datagrams one after another, in the order they came: choose it for quick answers,"
        " telemetry and syslog."
    ),
    ("unix", "threading"): (
        "A socket file with a thread for every connection: choose it when several programs on"
        " this machine keep a line open."
    ),
    ("unix", "single"): (
        "A socket file, one connection at a time: choose it for a control channel that one"
        " local program uses."
    ),
    ("unix-datagram", "threading"): (
        "Datagrams by a socket file, a thread for each: choose it when local messages take time"
        " to handle."
    ),
    ("unix-datagram", "single"): (
        "Datagrams by a socket file, in order and without loss: choose it for local logging and"
        " notifications."
    ),
}

#: Every kind, in the order in which they are offered.
KINDS: tuple[Kind, ...] = tuple(
    Kind(
        transport=transport,
        concurrency=concurrency,
        sentence=_SENTENCES[transport, concurrency],
    )
    for transport in TRANSPORTS
    for concurrency in CONCURRENCIES
)

KIND_CLASSES: Mapping[tuple[Transport, Concurrency], type[sockcore.TCPServer]] = {
    ("tcp", "single"): sockcore.TCPServer,
    ("tcp", "threading"): sockcore.ThreadingTCPServer,
    ("udp", "single"): sockcore.UDPServer,
    ("udp", "threading"): sockcore.ThreadingUDPServer,
    ("unix", "single"): sockcore.UnixStreamServer,
    ("unix", "threading"): sockcore.ThreadingUnixStreamServer,
    ("unix-datagram", "single"): sockcore.UnixDatagramServer,
    ("unix-datagram", "threading"): sockcore.ThreadingUnixDatagramServer,
}
