"""A program: an echoing server with few descriptors, that reports on itself. Run by a test.

Prints its port; then, for each line of input, what it amounts to so far, as a line of JSON.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import socket
import sys
import time
from typing import Any

import sockcore
from sockcore import BackgroundServer, RequestFinished
from tests.sockcore.watching import LOOPBACK, Echo, Heard

#: Connections it has descriptors for.
ROOM = 20


class Lines(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class CountingServer(sockcore.ThreadingTCPServer):
    """Notes when accept() failed."""

    failed_at: tuple[float, ...] = ()

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except OSError:
            self.failed_at += (time.monotonic(),)
            raise


def main() -> None:
    lines, heard = Lines(), Heard()
    logging.getLogger("sockcore").addHandler(lines)
    server = CountingServer(LOOPBACK, Echo)
    with BackgroundServer(lambda: server, sink=heard) as background:
        with socket.socket() as client:  # the first answer: all that serving opens is open then
            client.connect(background.address)
        heard.wait_for(RequestFinished)
        with open(os.devnull, "rb") as probe:
            limit = probe.fileno() + ROOM
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        say(background.address[1])
        for _ in sys.stdin:
            failed_at = server.failed_at
            say(
                {
                    "failed_at": failed_at,
                    "events": [n for n in heard.names if n.startswith("Accept")],
                    "lines": list(lines.texts),
                    "refused": background.totals().refused_total,
                    "state": background.state.value,
                }
            )


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
