"""Discard: reads everything and says nothing. For clients that only send, and for load tests."""

from __future__ import annotations

from typing import Any

from app.handlers.quiet import QuietDatagramHandler
from sockcore import StreamRequestHandler

#: Bytes taken at one time; they are in the log, so there is no need to hold them here.
CHUNK_BYTES = 64 * 1024


class Discard:
    """Reads until the client is done."""

    rfile: Any

    def handle(self) -> None:
        while self.rfile.read1(CHUNK_BYTES):
            pass


class DiscardStream(Discard, StreamRequestHandler):
    """Reads all, answers nothing."""


class DiscardDatagram(Discard, QuietDatagramHandler):
    """Takes each datagram, sends none back: not an empty one either."""
