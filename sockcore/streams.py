"""A stream: a connection that is one request, from accept to close.

There is one of these for each request of a stream server, so it is made without detours.
"""

from __future__ import annotations

import socket
import time
import weakref
from typing import Any

from sockcore.connections import Connection, Request
from sockcore.peers import peer_label
from sockcore.tape import Tape

__all__ = ["Stream"]


class Stream(Connection, Request):
    """A connection of a stream server, which is one request: one record is both."""

    stream = True

    def __init__(self, number: int, address: Any, tape: Tape, sock: socket.socket) -> None:
        self.id = number
        self.address = address
        self.tape = tape
        self.sock = weakref.ref(sock)
        self.opened_us = self.started_us = time.time_ns() // 1000
        # A local peer is known by its socket alone; how others are written is seen later.
        self._peer = None if type(address) is tuple else peer_label(address, sock)

    @property
    def peer(self) -> str:
        peer = self._peer
        if peer is None:
            peer = self._peer = peer_label(self.address)
        return peer

    @property
    def connection(self) -> Stream:
        return self

    @property
    def request(self) -> Stream | None:
        return None if self.finished else self

    @property
    def bytes_in(self) -> int:
        return self.tape.bytes_in

    @property
    def bytes_out(self) -> int:
        return self.tape.bytes_out

    @property
    def last_bytes(self) -> bytes:
        return self.tape.last_bytes

    @property
    def last_ns(self) -> int:
        return self.tape.last_ns
