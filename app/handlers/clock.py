"""Clock: answers every line with the time and the line, over one connection as often as asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from app.handlers.quiet import QuietDatagramHandler
from sockcore import StreamRequestHandler

#: Bytes. A longer line is answered in pieces of this size, each as a line of its own: a peer
#: that never sends a newline would otherwise grow our memory without end.
LINE_LIMIT = 64 * 1024

#: Bytes: what one UDP datagram can carry over IPv4. Many short lines have a longer answer.
ANSWER_LIMIT = 65_507


class Clock:
    """`hello` is answered with `[Mon Nov 23 22:14:54 2026] hello`."""

    options: ClassVar[Mapping[str, str]] = {"utc": "Tell UTC instead of local time."}
    utc = False

    rfile: Any
    wfile: Any

    def handle(self) -> None:
        while line := self.rfile.readline(LINE_LIMIT):
            now = time.asctime(time.gmtime() if self.utc else time.localtime())
            # One write a line: on a stream each write is a packet.
            self.wfile.write(b"[%s] %s\n" % (now.encode("ascii"), line.rstrip(b"\r\n")))


class ClockStream(Clock, StreamRequestHandler):
    """Answers each line with the time and the line."""


class ClockDatagram(Clock, QuietDatagramHandler):
    """Answers the lines of a datagram with one datagram; what does not fit in it is cut off."""

    def finish(self) -> None:
        self.wfile.truncate(ANSWER_LIMIT)
        super().finish()
