"""A connection with one end observed, for tests of what is counted and taped.

Does not know servers.
"""

from __future__ import annotations

import contextlib
import hashlib
import select
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Any

from sockcore.events import Bytes
from sockcore.limits import Limits
from sockcore.observe import ObservedSocket, taken_over
from sockcore.tape import Tape
from tests.sockcore.serving import DEADLINE_S


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname(), DEADLINE_S)
        far, _ = listener.accept()
    return near, far


def adopt(
    sock: socket.socket, tape: Tape, record: object, ended: Callable[[Any], None] | None
) -> ObservedSocket:
    """The same connection, counted and taped from here on."""
    observed = taken_over(sock)
    observed.tape, observed.record, observed.ended = tape, record, ended
    return observed


class Wire:
    """Two connected sockets: ours is observed, the peer's is plain."""

    def __init__(self, near: socket.socket, far: socket.socket) -> None:
        self.tape = Tape(Limits())
        self.record = object()
        self.ends = 0
        self.peer = far
        near.settimeout(DEADLINE_S)
        far.settimeout(DEADLINE_S)
        self.ours: ObservedSocket = adopt(near, self.tape, self.record, self._ended)

    def _ended(self, _record: object) -> None:
        self.ends += 1

    @property
    def received(self) -> Bytes:
        return self.tape.snapshot(digest=True)[0]

    @property
    def sent(self) -> Bytes:
        return self.tape.snapshot(digest=True)[1]

    def reset_by_peer(self) -> None:
        """The peer breaks off, and we have noticed."""
        self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.peer.close()
        assert select.select([self.ours], [], [], DEADLINE_S)[0]

    def fill(self) -> None:
        """Leave room for little before a send has to wait for the peer."""
        for end, option in ((self.ours, socket.SO_SNDBUF), (self.peer, socket.SO_RCVBUF)):
            end.setsockopt(socket.SOL_SOCKET, option, 4096)


@contextlib.contextmanager
def wire(*, tcp: bool = False) -> Iterator[Wire]:
    connected = Wire(*(tcp_pair() if tcp else socket.socketpair()))
    with connected.ours, connected.peer:
        yield connected


def exactly(data: bytes) -> Bytes:
    """What a tape says of `data` when it keeps it whole or its first 64 KiB."""
    return Bytes(data[:65536], len(data), hashlib.sha256(data).digest())
