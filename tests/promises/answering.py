"""Request handlers of the promises' tests, by name: the well-behaved and the others.

Knows sockcore's handlers. Knows nothing of how they are served.
"""

from __future__ import annotations

import json
import threading

import sockcore
from tests.promises.proc import descriptors

__all__ = ["CHUNK", "FLOOD_BYTES", "GATE", "HANDLERS"]

#: What a client that never reads is sent, and in what pieces.
FLOOD_BYTES = 10 * 1024 * 1024
CHUNK = bytes(64 * 1024)

#: Where `Stuck` and `Held` wait.
GATE = threading.Event()


class Echo(sockcore.BaseRequestHandler):
    """Sends back what comes, until the client is done."""

    def handle(self) -> None:
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Answer(sockcore.BaseRequestHandler):
    """Sends back what came first, and is done."""

    def handle(self) -> None:
        self.request.sendall(self.request.recv(65536))


class EchoLines(sockcore.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


class EchoMessage(sockcore.MessageRequestHandler):
    """The same where silence costs next to nothing."""

    def handle_message(self, message: bytes) -> bytes:
        return message


class EchoDatagram(sockcore.BaseRequestHandler):
    def handle(self) -> None:
        data, answers = self.request
        answers.sendto(data, self.client_address)


class Raising(sockcore.BaseRequestHandler):
    """Falls over what it was sent."""

    def handle(self) -> None:
        raise ValueError(f"cannot do {self.request.recv(100)!r}")


class Stuck(sockcore.BaseRequestHandler):
    """Once it is asked something it tells so, and heeds nothing from then on."""

    def handle(self) -> None:
        if not self.request.recv(1):
            return
        self.request.sendall(b"!")
        GATE.wait()


class Held(sockcore.BaseRequestHandler):
    """Keeps a datagram until the gate is open."""

    def handle(self) -> None:
        GATE.wait()


class FloodingMessages(sockcore.MessageRequestHandler):
    """Answers the shortest message at length."""

    def handle_message(self, message: bytes) -> bytes:
        return CHUNK


class Descriptors(sockcore.BaseRequestHandler):
    """Tells what its process has open."""

    def handle(self) -> None:
        self.request.recv(1)
        self.request.sendall(json.dumps(descriptors()).encode())


HANDLERS: dict[str, type[sockcore.BaseRequestHandler]] = {
    each.__name__: each
    for each in (
        *(Answer, Descriptors, Echo, EchoDatagram, EchoLines, EchoMessage),
        *(FloodingMessages, Held, Raising, Stuck),
    )
}
