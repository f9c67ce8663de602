"""Clock: answers every line with the time and the line, over one connection as often as asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import ClassVar

from sockcore import LineFraming, MessageRequestHandler

#: Bytes: what one UDP datagram can carry over IPv4. Many short lines have a longer answer.
ANSWER_LIMIT = 65_507


class Clock(MessageRequestHandler):
    """Answers each line with the time and the line.

    The lines of a datagram are answered with one datagram.
    """

    options: ClassVar[Mapping[str, str]] = {"utc": "Tell UTC instead of local time."}
    utc = False

    framing = LineFraming()
    max_frame = 64 * 1024  # a longer line ends the connection

    def handle_message(self, message: bytes) -> bytes | None:
        """`hello` is answered with `[Mon Nov 23 22:14:54 2026] hello`."""
        if not isinstance(self.request, tuple):
            return self._stamped(message)
        if not message:
            return None
        lines = message.removesuffix(b"\n").split(b"\n")
        return b"".join(self._stamped(line) + b"\n" for line in lines)[:ANSWER_LIMIT]

    def _stamped(self, line: bytes) -> bytes:
        now = time.asctime(time.gmtime() if self.utc else time.localtime())
        return b"[%s] %s" % (now.encode("ascii"), line.rstrip(b"\r"))
