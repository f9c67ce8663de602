"""A forking server in a host process: one thread does it all, since one that forks must have no
other.

The serve loop waits for the parent too, and its beat tells and ticks. Knows how a forking server
is stopped. Knows nothing of how its children are watched.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from typing import TYPE_CHECKING

from sockcore.limits import Limits
from sockcore.outbox import Outbox, Standing
from sockcore.tcp import TCPServer
from sockcore.telling import now_us
from sockcore.udp import UDPServer
from sockcore.watching import watch
from sockcore.wire import Channel, packed

if TYPE_CHECKING:
    from sockcore.forks import ForkingMixIn

    class _ForkingServer(ForkingMixIn, TCPServer): ...


__all__ = ["serve_forking"]

log = logging.getLogger("sockcore")

#: Seconds between two beats of the loop, and between two rounds of telling while it is busy.
_BEAT_S = 0.1
_TELL_S = 0.02

#: Seconds of an orderly stop when a signal asks for it.
_SIGNALLED_STOP_S = 3.0

#: Of a stop's time: how much children get to finish by themselves before their peers are cut.
_DRAIN_SHARE = 0.7

#: Seconds at most for a parent to take what is left to tell.
_LAST_WORDS_S = 5


def serve_forking(server: _ForkingServer, name: str, limits: Limits, channel: Channel) -> None:
    """Serve until the parent says stop."""
    _Forking(server, name, limits, channel).serve()


class _Forking:
    def __init__(
        self, server: _ForkingServer, name: str, limits: Limits, channel: Channel
    ) -> None:
        self._server = server
        self._channel = channel
        self._outbox = Outbox()
        self._observer = watch(server, name, self._outbox, limits)
        self._standing = Standing(self._observer.totals, self._observer.connections)
        self._rest = memoryview(b"")  # of the message that is on its way
        self._next_tick = self._next_telling = 0.0  # monotonic seconds
        self._timeout_s: float | None = None  # to stop in, once asked to
        self._cause: str | None = None  # of the stop, when the parent did not ask
        self._serviced = server.service_actions
        server.service_actions = self._turn  # type: ignore[method-assign]
        server._also_wait_for(channel.fileno(), self._obey)

    def serve(self) -> None:
        server = self._server
        signal.signal(signal.SIGTERM, self._terminate)
        os.register_at_fork(after_in_child=_as_a_child)
        self._channel.send("listening", server.server_address, server.fileno(), now_us())
        try:
            server.serve_forever(_BEAT_S)
        except BaseException as error:
            log.exception("the serve loop died")
            self._cause, self._timeout_s = f"{type(error).__name__}: {error}", 0.0
        abandoned = self._stop(self._timeout_s or 0.0)
        try:
            self._tell_the_rest()
            self._channel.send("stopped", abandoned, self._cause)
        except OSError:
            log.debug("the parent is gone", exc_info=True)

    def _terminate(self, *_: object) -> None:
        if self._timeout_s is None:
            self._cause = "its host process was told to end (SIGTERM)"
            self._timeout_s = _SIGNALLED_STOP_S
            self._server._ask_to_stop()

    # -- from the parent --------------------------------------------------------------------

    def _obey(self) -> None:
        messages = self._channel.receive_ready()
        if messages is None:
            self._kill_children()
            os._exit(0)  # the parent is gone: nobody is left to tell anything
        for message in messages:
            match message:
                case "limits", limits:
                    self._observer.obey(limits)
                    self._server._obey(limits)
                case "disconnect", token, connection_id:
                    found = self._observer.disconnect(connection_id)
                    self._outbox.say("answer", token, found)
                    self._next_telling = 0.0
                case "stop", timeout_s:
                    self._cause, self._timeout_s = None, timeout_s
                    self._server._ask_to_stop()

    # -- to the parent ----------------------------------------------------------------------

    def _turn(self) -> None:
        """In place of the server's service_actions(): each turn of the loop."""
        self._serviced()
        self._beat()

    def _beat(self) -> None:
        now = time.monotonic()
        if now >= self._next_tick:
            self._next_tick = now + _BEAT_S
            self._observer.tick()
        if now >= self._next_telling:
            self._next_telling = now + _TELL_S
            self._tell()

    def _tell(self) -> None:
        """What can be told without waiting."""
        while self._rest or self._next_message():
            try:
                sent = self._channel.send_some(self._rest)
            except OSError:
                return  # the parent is gone: it is found out by reading
            self._rest = self._rest[sent:]
            if self._rest:
                return  # no more is taken now: again at the next beat

    def _next_message(self) -> bool:
        message = self._outbox.take()
        if message is None and not self._standing.due_s:
            message = self._standing.news()
        if message is not None:
            self._rest = memoryview(packed(message))
        return message is not None

    def _tell_the_rest(self) -> None:
        self._channel.give_up_sending_after(_LAST_WORDS_S)
        self._channel.send_packed(self._rest)
        while (message := self._outbox.take()) is not None:
            self._channel.send(*message)
        news = self._standing.news()
        if news is not None:
            self._channel.send(*news)

    # -- stopping ---------------------------------------------------------------------------

    def _stop(self, timeout_s: float) -> int:
        """As BackgroundServer.stop(), but that a child which goes on is killed: that can be done
        to processes. Returns: how many."""
        server, observer = self._server, self._observer
        deadline = time.monotonic() + timeout_s
        server.block_on_close = False
        if not isinstance(server, UDPServer):  # whose answers leave by the listener
            TCPServer.server_close(server)  # the listener alone: children are heard on
        observer.drain()
        self._wait_for_children(time.monotonic() + timeout_s * _DRAIN_SHARE)
        observer.cut_all()
        self._wait_for_children(deadline)
        killed = self._kill_children()
        self._wait_for_children(time.monotonic() + 1.0)
        server.server_close()
        observer.abandon()
        observer.tick_no_more()
        return killed

    def _wait_for_children(self, deadline: float) -> None:
        server = self._server
        while server.active_children and (left_s := deadline - time.monotonic()) > 0:
            server._reap(min(left_s, _TELL_S))
            self._beat()

    def _kill_children(self) -> int:
        children = self._server.active_children or set()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):  # a handler's doing
                os.kill(pid, signal.SIGKILL)
        return len(children)


def _as_a_child() -> None:
    """SIGTERM ends a child of ours as it does others; a terminal's SIGINT is still not for it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
