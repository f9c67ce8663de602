"""BackgroundServer: one server in one background thread, watched.

Knows states, deadlines and the observer. The server class and its handler stay as they are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from sockcore.base import BaseServer
from sockcore.connections import ConnectionInfo
from sockcore.errors import StateError
from sockcore.events import Event, EventSink, ServerStarted, ServerStopped
from sockcore.limits import Limits
from sockcore.loop import LoopLife
from sockcore.observer import Observer
from sockcore.state import ServerState, check_move
from sockcore.tcp import TCPServer
from sockcore.telling import now_us
from sockcore.ticker import ticker
from sockcore.totals import Totals
from sockcore.udp import UDPServer
from sockcore.watching import watch

__all__ = ["BackgroundServer"]

log = logging.getLogger("sockcore")

#: Of a stop's time: how much handlers get to finish by themselves before their peers are cut.
_DRAIN_SHARE = 0.7

#: Seconds a loop that is not inside a handler may need to leave after being woken.
_LOOP_LEAVES_S = 0.1


def _unheard(_event: Event) -> None:
    """The sink of a server nobody listens to."""


class BackgroundServer:
    """Starts, stops and shows one server.

    `factory` makes the server, bound and listening, anew for each run:
    `BackgroundServer(lambda: ThreadingTCPServer(("127.0.0.1", 0), Handler))`.
    Its handler threads become daemons, so that none can hold up the end of the process.

    Thread: any, but for a handler of the same server, which cannot stop what it runs in.
    """

    def __init__(
        self,
        factory: Callable[[], TCPServer],
        *,
        name: str = "server",
        sink: EventSink = _unheard,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self._factory = factory
        self._sink = sink
        self._limits = limits or Limits()
        self._moving = threading.Lock()  # held by start and stop from end to end
        self._state = ServerState.STOPPED
        self._error: str | None = None
        self._server: TCPServer | None = None
        self._observer: Observer | None = None
        self._loop: LoopLife | None = None
        self._started_us: int | None = None

    # -- shown ----------------------------------------------------------------------------

    @property
    def state(self) -> ServerState:
        return self._state

    @property
    def error(self) -> str | None:
        """Why it failed; None unless it did."""
        return self._error

    @property
    def address(self) -> Any:
        """What getsockname() says; None unless it listens."""
        server = self._server
        return server.server_address if server is not None else None

    @property
    def fileno(self) -> int | None:
        """The listening descriptor; None unless it listens."""
        server = self._server
        descriptor = server.fileno() if server is not None else -1
        return descriptor if descriptor >= 0 else None

    @property
    def started_us(self) -> int | None:
        """Since when it listens, in UTC microseconds; None unless it does."""
        return self._started_us

    @property
    def limits(self) -> Limits:
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        """Takes effect at once, for what comes and what is open."""
        self._limits = limits
        server, observer = self._server, self._observer
        if observer is not None:
            observer.obey(limits)
        if server is not None:
            server._obey(limits)

    def connections(self) -> list[ConnectionInfo]:
        """Who is connected, oldest first; nobody unless it listens."""
        observer = self._observer
        return observer.connections() if observer is not None else []

    def totals(self) -> Totals:
        """Counts of this run, or of the last one."""
        observer = self._observer
        return observer.totals() if observer is not None else Totals()

    def disconnect(self, connection_id: int) -> bool:
        """Cut one connection. Returns: False when it is not there (any more)."""
        observer = self._observer
        return observer is not None and observer.disconnect(connection_id)

    # -- start ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen, and serve in a thread.

        Returns once it listens.
        Raises: what the factory raised (OSError from bind, say), state `FAILED`; StateError when
        it is running already.
        """
        with self._moving:
            if self._state is ServerState.RUNNING:
                raise StateError(f"{self.name} is running already")
            self._move(ServerState.STARTING)
            self._error = None
            try:
                self._listen()
            except BaseException as error:
                self._fail(_sentence(error))
                raise
            self._move(ServerState.RUNNING)
            self._started_us = now_us()
            assert self._observer is not None
            assert self._loop is not None
            self._observer.emit(
                ServerStarted(server=self.name, at_us=self._started_us, address=self.address)
            )
            self._loop.may_begin.set()
        return self

    def _listen(self) -> None:
        server = self._factory()
        try:
            if server._forks:  # a lock that another thread holds would stay locked in a child
                raise TypeError("a server that forks needs a process of its own: HostedServer")
            observer = watch(server, self.name, self._sink, self._limits)
            # Bounded by stop(), not by a close that waits for every handler.
            server.daemon_threads = True  # type: ignore[attr-defined]
            server.block_on_close = False  # type: ignore[attr-defined]
            ticker.add(observer)
            try:
                self._loop = self._start_loop(server, observer)
            except BaseException:
                ticker.remove(observer)
                raise
        except BaseException:
            server.server_close()
            raise
        self._server, self._observer = server, observer

    def _start_loop(self, server: TCPServer, observer: Observer) -> LoopLife:
        loop = LoopLife()
        name = f"server:{self.name}"
        args = (server, observer, loop)
        threading.Thread(target=self._serve, args=args, name=name, daemon=True).start()
        return loop

    def _serve(self, server: BaseServer, observer: Observer, loop: LoopLife) -> None:
        cause = "its loop ended without being asked to"
        loop.may_begin.wait()
        try:
            server.serve_forever()
        except BaseException as error:
            log.exception("%s: the serve loop died", self.name)
            cause = _sentence(error)
        loop.has_left.set()
        if self._state is ServerState.RUNNING and self._observer is observer:
            self._died(server, observer, cause)

    def _died(self, server: BaseServer, observer: Observer, cause: str) -> None:
        with self._moving:
            if self._state is not ServerState.RUNNING or self._observer is not observer:
                return
            server.server_close()
            observer.cut_all()
            ticker.remove(observer)
            self._fail(cause)
            observer.emit(
                ServerStopped(server=self.name, at_us=now_us(), abandoned=0, cause=cause)
            )

    # -- stop -----------------------------------------------------------------------------

    def stop(self, timeout_s: float = 5.0) -> int:
        """Stop listening, let handlers finish, cut the rest. Nothing to do is no error.

        In this order, all of it within `timeout_s`: the loop leaves; the listener is closed (of
        datagrams: once they are answered, as answers leave by it); every connection ends for
        reading, so that handlers see the end and answer out; what is open then is cut; what goes
        on even so is abandoned to its daemon thread.
        Returns: how many handlers were abandoned. All that happened is told by then.
        """
        with self._moving:
            if self._state is ServerState.FAILED:
                self._move(ServerState.STOPPED)
                self._error = None
            if self._state is ServerState.STOPPED:
                return 0
            self._move(ServerState.STOPPING)
            abandoned = self._unwind(time.monotonic() + timeout_s, timeout_s)
            self._move(ServerState.STOPPED)
            return abandoned

    def _unwind(self, deadline: float, timeout_s: float) -> int:
        server, observer, loop = self._server, self._observer, self._loop
        assert server is not None
        assert observer is not None
        assert loop is not None
        server._ask_to_stop()
        # A serial server may be inside its handler: not waited for.
        loop.has_left.wait(_LOOP_LEAVES_S)
        datagrams = isinstance(server, UDPServer)  # whose answers leave by the listener
        if not datagrams:
            server.server_close()
        observer.drain()
        if not observer.wait_drained((deadline - time.monotonic()) * _DRAIN_SHARE):
            observer.cut_all()
            observer.wait_drained(deadline - time.monotonic())
        if datagrams:
            server.server_close()
        abandoned = observer.abandon()
        if not abandoned:
            loop.has_left.wait(max(0.0, deadline - time.monotonic()))
        else:
            told = "%s: %d handlers still ran %.1f s after stop; abandoned"
            log.warning(told, self.name, abandoned, timeout_s)
        ticker.remove(observer)
        self._clear()
        observer.emit(ServerStopped(server=self.name, at_us=now_us(), abandoned=abandoned))
        return abandoned

    # -- states ---------------------------------------------------------------------------

    def _move(self, then: ServerState) -> None:
        check_move(self._state, then)
        self._state = then

    def _fail(self, cause: str) -> None:
        self._move(ServerState.FAILED)
        self._error = cause
        self._clear()

    def _clear(self) -> None:
        # The observer stays: it holds the totals of the last run.
        self._server = self._loop = None
        self._started_us = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
