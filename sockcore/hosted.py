"""The child's side of `HostedServer`: the process that a server runs in.

Parent -> child: begin, then limits, disconnect, stop. Child -> parent: listening or failed, then
events, standing and answers, and at last stopped.
"""

from __future__ import annotations

import importlib
import io
import logging
import os
import pickle
import signal
import socket
import sys
import threading
from typing import Any

from sockcore.background import BackgroundServer
from sockcore.events import Event, ServerStarted, ServerStopped
from sockcore.host_errors import failure
from sockcore.limits import Limits
from sockcore.outbox import Outbox, Standing, send_all
from sockcore.tcp import TCPServer
from sockcore.wire import Channel

__all__ = ["main"]

log = logging.getLogger("sockcore")

#: Seconds for an orderly stop when a signal asks for it, and for what was told to get out.
_SIGNALLED_STOP_S = 3.0
_LAST_WORDS_S = 5.0


def main(fd: int) -> None:
    """Serve until told to stop, or until the parent is gone. Does not return."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to all; we are told
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(line_buffering=True)
        status = _begin(_channel(fd))
        sys.stdout.flush()
    except BaseException:
        log.exception("the host process failed")
    finally:
        os._exit(status)  # neither threads that go on nor hooks may hold it up


def _channel(fd: int) -> Channel:
    sock = socket.socket(fileno=fd)
    sock.set_inheritable(False)
    channel = Channel(sock, pickle.loads)
    if hasattr(os, "register_at_fork"):  # so that the parent sees our end while children live
        os.register_at_fork(after_in_child=channel.close)
    return channel


def _begin(channel: Channel) -> int:
    """Returns: the exit status."""
    begin = channel.receive()
    if begin is None:
        return 0
    _, target, arguments, name, limits = begin
    try:
        server = _made(target, arguments)
        serve = _serve_forking if server._forks else _serve_in_threads
        serve(server, name, limits, channel)
    except Exception as error:
        if not isinstance(error, OSError):
            log.exception("%s cannot be served", target)
        channel.send(*failure(error))
        return 1
    return 0


def _made(target: str, arguments: tuple[Any, ...]) -> TCPServer:
    module, _, function = target.partition(":")
    server = getattr(importlib.import_module(module), function)(*arguments)
    if not isinstance(server, TCPServer):
        raise TypeError(f"{target} made no server of sockcore, but a {type(server).__name__}")
    return server


def _serve_forking(server: Any, name: str, limits: Limits, channel: Channel) -> None:
    from sockcore.hosted_forking import serve_forking

    serve_forking(server, name, limits, channel)


def _serve_in_threads(server: TCPServer, name: str, limits: Limits, channel: Channel) -> None:
    """Any server that does not fork: a background server, and we obey."""
    hosted = _Threaded(server, name, limits, channel)
    hosted.begin()
    hosted.end(*hosted.obey())


class _Threaded:
    def __init__(self, server: TCPServer, name: str, limits: Limits, channel: Channel) -> None:
        self._channel = channel
        self._outbox = Outbox()
        self._background = BackgroundServer(
            lambda: server, name=name, sink=self._hear, limits=limits
        )
        self._sender = threading.Thread(target=self._send, name="outbox", daemon=True)
        self._terminated = False

    def _hear(self, event: Event) -> None:
        if isinstance(event, ServerStopped):
            self._channel.hear_no_more()  # when its loop died, there is nothing left to obey
        elif not isinstance(event, ServerStarted):  # both are the parent's to tell
            self._outbox(event)

    def begin(self) -> None:
        """Raises: what starting it does."""
        background = self._background.start()
        signal.signal(signal.SIGTERM, self._terminate)
        self._channel.send(
            "listening", background.address, background.fileno, background.started_us
        )
        self._sender.start()

    def _terminate(self, *_: object) -> None:
        self._terminated = True
        self._channel.hear_no_more()

    def _send(self) -> None:
        standing = Standing(self._background.totals, self._background.connections)
        try:
            send_all(self._outbox, standing, self._channel)
        except OSError:
            os._exit(0)  # the parent is gone: nobody is left to tell anything

    def obey(self) -> tuple[int, str | None]:
        """Do as the parent says. Returns: how many handlers were abandoned, and why it stopped
        when it was not asked to."""
        background = self._background
        while (message := self._channel.receive()) is not None:
            match message:
                case "limits", limits:
                    background.limits = limits
                case "disconnect", token, connection_id:
                    self._outbox.say("answer", token, background.disconnect(connection_id))
                case "stop", timeout_s:
                    return background.stop(timeout_s), None
        if self._terminated:
            why = "its host process was told to end (SIGTERM)"
            return background.stop(_SIGNALLED_STOP_S), why
        if background.error is not None:
            return 0, background.error
        os._exit(0)  # the parent is gone

    def end(self, abandoned: int, cause: str | None) -> None:
        self._outbox.end()
        self._sender.join(_LAST_WORDS_S)
        self._channel.send("stopped", abandoned, cause)
