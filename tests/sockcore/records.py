"""Records of connections and requests, for the tests of what is made of them."""

from __future__ import annotations

import socket

from sockcore.connections import DatagramPeer
from sockcore.limits import Limits
from sockcore.streams import Stream
from sockcore.tape import Tape

__all__ = ["datagrams", "stream"]


def stream(number: int = 1, sock: socket.socket | None = None) -> Stream:
    """Of a socket that is gone, unless one is given."""
    of = sock or socket.socket()
    try:
        return Stream(number, ("127.0.0.1", 4000 + number), Tape(Limits()), of)
    finally:
        if sock is None:
            of.close()


def datagrams(number: int = 1) -> DatagramPeer:
    return DatagramPeer(number, ("127.0.0.1", 4000 + number))
