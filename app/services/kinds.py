"""The kinds of server: transport x concurrency, when to choose each, and the class of each.

Knows no settings and opens nothing: a process that only hosts one server imports this too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import sockcore
from app.domain import Concurrency, Kind, Transport


class _Made(NamedTuple):
    server_class: type[sockcore.TCPServer]
    sentence: str


_KINDS: Mapping[tuple[Transport, Concurrency], _Made] = {
    ("tcp", "pool"): _Made(
        sockcore.PoolTCPServer,
        "A bounded set of reused threads, the quickest for most work and safe in a crowd: choose"
        " it unless another kind fits better.",
    ),
    ("tcp", "threading"): _Made(
        sockcore.ThreadingTCPServer,
        "A fresh thread for every connection: choose it when the handler relies on thread-locals"
        " or waits for other clients of the same server.",
    ),
    ("tcp", "event"): _Made(
        sockcore.EventTCPServer,
        "Silent connections wait without a thread: choose it for thousands of devices that stay"
        " connected and say little.",
    ),
    ("tcp", "forking"): _Made(
        sockcore.ForkingTCPServer,
        "A child process for every connection: choose it when a handler may crash, leak or need"
        " a processor of its own.",
    ),
    ("tcp", "single"): _Made(
        sockcore.TCPServer,
        "One connection at a time, the next waits in the backlog: choose it for short exchanges"
        " over state that must not be shared between threads.",
    ),
    ("udp", "pool"): _Made(
        sockcore.PoolUDPServer,
        "Datagrams answered by a bounded set of reused threads: choose it when answers take time"
        " and their order does not matter.",
    ),
    ("udp", "threading"): _Made(
        sockcore.ThreadingUDPServer,
        "A fresh thread for every datagram: choose it when the handler relies on thread-locals;"
        " it is several times dearer than the pool.",
    ),
    ("udp", "forking"): _Made(
        sockcore.ForkingUDPServer,
        "A child process for every datagram: choose it when a handler may crash or needs a"
        " processor of its own, and datagrams are few.",
    ),
    ("udp", "single"): _Made(
        sockcore.UDPServer,
        "Datagrams one after another, in the order they came: choose it for quick answers,"
        " telemetry and syslog.",
    ),
    ("unix", "pool"): _Made(
        sockcore.PoolUnixStreamServer,
        "A socket file and a bounded set of reused threads: choose it for programs on this"
        " machine, unless another kind fits better.",
    ),
    ("unix", "threading"): _Made(
        sockcore.ThreadingUnixStreamServer,
        "A socket file with a fresh thread for every connection: choose it when local programs"
        " keep a line open and the handler relies on thread-locals.",
    ),
    ("unix", "event"): _Made(
        sockcore.EventUnixStreamServer,
        "A socket file whose silent connections wait without a thread: choose it when very many"
        " local programs stay connected.",
    ),
    ("unix", "forking"): _Made(
        sockcore.ForkingUnixStreamServer,
        "A socket file with a child process for every connection: choose it when what local"
        " programs ask for may crash or leak.",
    ),
    ("unix", "single"): _Made(
        sockcore.UnixStreamServer,
        "A socket file, one connection at a time: choose it for a control channel that one"
        " local program uses.",
    ),
    ("unix-datagram", "pool"): _Made(
        sockcore.PoolUnixDatagramServer,
        "Datagrams by a socket file, answered by a bounded set of reused threads: choose it when"
        " local messages take time to handle.",
    ),
    ("unix-datagram", "threading"): _Made(
        sockcore.ThreadingUnixDatagramServer,
        "Datagrams by a socket file, a fresh thread for each: choose it when local messages take"
        " time and the handler relies on thread-locals.",
    ),
    ("unix-datagram", "forking"): _Made(
        sockcore.ForkingUnixDatagramServer,
        "Datagrams by a socket file, a child process for each: choose it when local messages are"
        " few and handling one may crash.",
    ),
    ("unix-datagram", "single"): _Made(
        sockcore.UnixDatagramServer,
        "Datagrams by a socket file, in order and without loss: choose it for local logging and"
        " notifications.",
    ),
}

#: Every kind, in the order in which they are offered.
KINDS: tuple[Kind, ...] = tuple(
    Kind(transport=transport, concurrency=concurrency, sentence=made.sentence)
    for (transport, concurrency), made in _KINDS.items()
)

KIND_CLASSES: Mapping[tuple[Transport, Concurrency], type[sockcore.TCPServer]] = {
    kind: made.server_class for kind, made in _KINDS.items()
}
