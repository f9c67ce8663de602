"""Echo: the shortest handler that answers. Keeps nothing; works on bytes as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from app.handlers.quiet import QuietDatagramHandler
from sockcore import StreamRequestHandler

#: Bytes taken at one time, so that a peer that never pauses costs no more memory than this.
CHUNK_BYTES = 64 * 1024


class Echo:
    """What both kinds share: `rfile` and `wfile` are there for streams and datagrams alike."""

    options: ClassVar[Mapping[str, str]] = {"upper": "Give ASCII letters back in upper case."}
    upper = False

    rfile: Any  # a BufferedReader over a stream, a BytesIO over a datagram: they read alike
    wfile: Any

    def handle(self) -> None:
        # read1() returns what has arrived; read() would wait until the client is done.
        while data := self.rfile.read1(CHUNK_BYTES):
            self.wfile.write(data.upper() if self.upper else data)


class EchoStream(Echo, StreamRequestHandler):
    """Gives back what it receives, as it comes."""


class EchoDatagram(Echo, QuietDatagramHandler):
    """Gives back each datagram; an empty one gets no answer."""
