"""The child's side of `HostedServer`: the process that a server runs in.

Parent -> child: begin, limits, disconnect, stop. Child -> parent: listening or failed, then
events, state and answers, and at last stopped.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections import deque
from typing import Any

from sockcore.background import BackgroundServer
from sockcore.events import Event, RequestProgressed
from sockcore.wire import Channel

__all__ = ["main"]

log = logging.getLogger("sockcore")

#: Seconds between two tellings of totals and connections; longer where there are many.
_STATE_S = 0.2
_STATE_OF_MANY_S = 1.0
_MANY = 200

#: Events that wait for the parent at most; news of open requests, which come again, only up to
#: the lower one.
_MOST_PROGRESS = 5_000
_MOST_EVENTS = 50_000

#: Events sent in one message.
_BATCH = 500

#: Seconds for an orderly stop when a signal asks for it.
_SIGNALLED_STOP_S = 3.0


class Outbox:
    """Events on their way to the parent. As a sink it never waits for it.

    Thread: any puts; one sends.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._changed = threading.Condition()  # guards all that follows
        self._events: deque[Event] = deque()
        self._lost = 0
        self._ended = False

    def __call__(self, event: Event) -> None:
        with self._changed:
            waiting = len(self._events)
            if isinstance(event, RequestProgressed) and waiting >= _MOST_PROGRESS:
                return
            if waiting >= _MOST_EVENTS:
                self._lost += 1
                return
            self._events.append(event)
            self._changed.notify()

    def send(self, server: BackgroundServer) -> None:
        """Send what comes, until the end. Thread: one of its own."""
        told: tuple[Any, Any] | None = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._ended, _STATE_S)
                ended = self._ended
            self._send_events()
            state = (server.totals(), server.connections())
            if state != told:
                self._channel.send("state", *state)
                told = state
            if ended:
                return

    def _send_events(self) -> None:
        while True:
            with self._changed:
                batch = [self._events.popleft() for _ in range(min(_BATCH, len(self._events)))]
                lost, self._lost = self._lost, 0
            if lost:
                log.error("%d events were lost: the parent does not keep up", lost)
            if not batch:
                return
            self._channel.send("events", batch)

    def end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()


def main(fd: int) -> None:
    """Serve until told to stop, or until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's goes to all; the parent stops us
    channel = Channel(socket.socket(fileno=fd))
    begin = channel.receive()
    if begin is None:
        return
    _, target, arguments, name, limits = begin
    try:
        module, _, function = target.partition(":")
        server = getattr(importlib.import_module(module), function)(*arguments)
        outbox = Outbox(channel)
        background = BackgroundServer(lambda: server, name=name, sink=outbox, limits=limits)
        background.start()
    except Exception as error:
        channel.send("failed", type(error).__name__, getattr(error, "errno", None), str(error))
        return
    channel.send("listening", background.address, background.fileno, background.started_us)
    sender = threading.Thread(target=outbox.send, args=(background,), daemon=True, name="outbox")
    sender.start()
    abandoned = _obey(channel, background)
    outbox.end()
    sender.join()
    channel.send("stopped", abandoned)
    sys.stderr.flush()
    os._exit(0)  # handlers that were abandoned do not hold us up


def _obey(channel: Channel, background: BackgroundServer) -> int:
    """Do as the parent says, until it says stop. Returns: how many handlers were abandoned."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        while (message := channel.receive()) is not None:
            match message:
                case "limits", limits:
                    background.limits = limits
                case "disconnect", token, connection_id:
                    channel.send("answer", token, background.disconnect(connection_id))
                case "stop", timeout_s:
                    return background.stop(timeout_s)
    except SystemExit:
        return background.stop(_SIGNALLED_STOP_S)
    os._exit(0)  # the parent is gone: nobody is left to tell anything
