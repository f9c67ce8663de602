"""Targets for `HostedServer` in tests: imported and called in the child process."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import sockcore


class Echo(sockcore.StreamRequestHandler):
    """Answers lines; some have a meaning."""

    def handle(self) -> None:
        for line in self.rfile:
            if line == b"pid\n":
                line = b"%d\n" % os.getpid()
            elif line == b"burn\n":
                burn_for(3.0)
            elif line == b"die\n":
                sys.stderr.write("last words\n")
                sys.stderr.flush()
                os._exit(3)
            elif line == b"raise\n":
                raise ValueError("as asked")
            self.wfile.write(line)


class Upper(sockcore.BaseRequestHandler):
    """Of datagrams."""

    def handle(self) -> None:
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)


class Stuck(sockcore.BaseRequestHandler):
    def handle(self) -> None:
        while True:
            time.sleep(1)


def burn_for(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sum(range(1000))


HANDLERS = {"Echo": Echo, "Upper": Upper, "Stuck": Stuck}


def make(kind: str, handler: str, address: Any) -> Any:
    server_class = getattr(sockcore, kind)
    server_class.allow_reuse_address = "UDP" not in kind
    return server_class(
        tuple(address) if isinstance(address, list) else address, HANDLERS[handler]
    )


def fail(text: str) -> Any:
    raise ValueError(text)


def leave() -> Any:
    sys.stderr.write("no reason to stay\n")
    sys.stderr.flush()
    os._exit(7)
