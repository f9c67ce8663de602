"""The stdlib's socketserver and sockcore: the same handlers over either."""

from __future__ import annotations

import argparse
import functools
import importlib
import itertools
import signal
from collections.abc import Callable
from typing import Any

from bench.servers.__main__ import announce

MODULES = {"stdlib": "socketserver", "sockcore": "sockcore"}


def serve(chosen: argparse.Namespace) -> None:
    """Raises: NotImplementedError when the module has not what was asked for."""
    if chosen.run == "bare":
        server = make_server(chosen)
        announce(server.server_address)
        server.serve_forever()
        return
    if chosen.run == "logged":
        logged = importlib.import_module("bench.servers.logged")
        with logged.recording() as recorder:
            _serve_watched(chosen, logged.sink(recorder), lambda: logged.flushed(recorder))
        return
    _serve_watched(chosen, _counting(), str)


def _serve_watched(
    chosen: argparse.Namespace, sink: Callable[[Any], object], report: Callable[[], str]
) -> None:
    """In a thread or a process, until SIGTERM; each SIGUSR1 is answered with a report."""
    background = _background(chosen, sink)
    # Taken by sigwait() below, in the one thread that has time for them.
    told = {signal.SIGTERM, signal.SIGUSR1}
    signal.pthread_sigmask(signal.SIG_BLOCK, told)
    background.start()
    announce(background.address)
    while signal.sigwait(told) == signal.SIGUSR1:
        print(report(), flush=True)
    background.stop()


def make_server(chosen: argparse.Namespace) -> Any:
    """A server as chosen, bound and listening."""
    module = importlib.import_module(MODULES[chosen.family])
    server_class = wanted(module, chosen.what)
    if chosen.backlog is not None:
        module.TCPServer.request_queue_size = chosen.backlog
    if chosen.threads is not None:
        server_class.max_threads = chosen.threads
    return server_class(("127.0.0.1", 0), handler_class(module, chosen.handler))


def wanted(module: Any, name: str) -> Any:
    """Looked up by name, since not every module, version and system has each."""
    found = getattr(module, name, None)
    if found is None:
        raise NotImplementedError(f"{module.__name__} has no {name}")
    return found


def _counting() -> Callable[[object], None]:
    """A sink that counts what is told, and keeps nothing of it."""
    seen = itertools.count()

    def sink(_event: object) -> None:
        next(seen)

    return sink


def _background(chosen: argparse.Namespace, sink: Callable[[Any], object]) -> Any:
    """Served with a sink: the tape runs."""
    module = importlib.import_module("sockcore")
    if chosen.run == "hosted":
        target = "bench.servers.socketservers:make_server"
        return wanted(module, "HostedServer")(target, (chosen,), sink=sink)
    make = functools.partial(make_server, chosen)
    return wanted(module, "BackgroundServer")(make, sink=sink)


def handler_class(module: Any, kind: str) -> type:
    """Answers each line, message or datagram as it came."""
    return {"stream": _stream, "message": _message, "datagram": _datagram}[kind](module)


def _stream(module: Any) -> type:
    class Stream(module.StreamRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line)

    return Stream


def _message(module: Any) -> type:
    base: Any = wanted(module, "MessageRequestHandler")

    class Message(base):  # type: ignore[misc]
        framing = wanted(module, "LineFraming")()

        def handle_message(self, message: bytes) -> bytes:
            return message

    return Message


def _datagram(module: Any) -> type:
    class Datagram(module.BaseRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            data, sock = self.request
            sock.sendto(data, self.client_address)

    return Datagram
