"""Targets for `HostedServer` in tests: imported and called in the child process."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import Any

import sockcore
from sockcore.wire import packed


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
            elif line == b"leave\n":
                os._exit(0)
            elif line == b"kill\n":
                os.kill(os.getpid(), signal.SIGKILL)
            elif line == b"flood\n":
                self.wfile.write(bytes(10_000_000))
            elif line == b"raise\n":
                raise ValueError("as asked")
            elif line == b"print\n":
                print("printed")  # noqa: T201
            elif line == b"complain\n":
                sys.stderr.write("complained\n")
            elif line == b"fork\n":
                line = b"%d\n" % fork_and_stay()
            elif line == b"nonsense\n":
                say_nonsense()
            self.wfile.write(line)


class Upper(sockcore.BaseRequestHandler):
    """Of datagrams."""

    def handle(self) -> None:
        data, sock = self.request
        if data == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        sock.sendto(data.upper(), self.client_address)


class Stuck(sockcore.BaseRequestHandler):
    def handle(self) -> None:
        while True:
            time.sleep(1)


class Deadly(sockcore.BaseRequestHandler):
    def handle(self) -> None:
        raise SystemExit("the loop goes too")


def fork_and_stay() -> int:
    """A child that outlives us, and ends with the connections it was forked amid."""
    pid = os.fork()
    if not pid:
        time.sleep(5)
        os._exit(0)
    return pid


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


def say_nonsense() -> None:
    """To the parent. What it said last is no value of ours."""
    socket.socket(fileno=int(sys.argv[1])).sendall(packed(("events", [Evil()])))


def burn_for(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        sum(range(1000))


HANDLERS = {"Echo": Echo, "Upper": Upper, "Stuck": Stuck, "Deadly": Deadly}


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


def make_once(path: str) -> Any:
    if os.path.exists(path):
        raise ValueError("once was enough")
    with open(path, "w"):
        return make("TCPServer", "Echo", ("127.0.0.1", 0))


class Odd(Exception):
    pass


def fail_oddly() -> Any:
    raise Odd("in its own way")


def never() -> Any:
    time.sleep(3600)


def make_when(path: str) -> Any:
    while not os.path.exists(path):
        time.sleep(0.01)
    return make("ThreadingTCPServer", "Echo", ("127.0.0.1", 0))
