"""HostedServer: one server in a process of its own, watched from this one.

Knows processes, their ends and their restarts. What runs in the child is `hosted.py`.

    start -> child: import, make, listen -> running -> stop
                                   `-> died: failed, started again after 1, 2, 4 .. 60 s
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Self

from sockcore.connections import ConnectionInfo
from sockcore.errors import SockcoreError, StateError
from sockcore.events import Event, EventSink, ServerStopped
from sockcore.host_process import KILLED, HostProcess
from sockcore.limits import Limits
from sockcore.state import ServerState, check_move
from sockcore.telling import now_us
from sockcore.totals import Totals

__all__ = ["HostedServer", "Restarts"]

log = logging.getLogger("sockcore")

#: Seconds that disconnect() waits for the child's answer.
_ANSWER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """When a host that died is started again."""

    first_s: float = 1.0  # then doubled
    longest_s: float = 60.0
    most: int = 5  # deaths within `within_s`, then no more
    within_s: float = 60.0


def _unheard(_event: Event) -> None:
    """The sink of a server nobody listens to."""


class HostedServer:
    """Starts, stops and shows one server that runs in a child process.

    `target` is "package.module:function": the child imports it and calls it with `arguments`,
    plain values, for a server that is bound and listens. The rest is as with `BackgroundServer`;
    what is shown is at most a fifth of a second old. A child that dies is `FAILED` with the
    cause, and started again.

    Thread: any. The sink is called in one thread of this process, in order.
    """

    def __init__(
        self,
        target: str,
        arguments: tuple[Any, ...] = (),
        *,
        name: str = "server",
        sink: EventSink = _unheard,
        limits: Limits | None = None,
        restarts: Restarts | None = None,
    ) -> None:
        self.name = name
        self._target = target
        self._arguments = arguments
        self._sink = sink
        self._limits = limits or Limits()
        self._restarts = restarts or Restarts()
        self._moving = threading.Lock()  # held by start, stop and a restart from end to end
        self._state = ServerState.STOPPED
        self._error: str | None = None
        self._host: HostProcess | None = None  # stays after its end, for its totals
        self._cancel = threading.Event()  # of a restart that is due
        self._deaths: deque[float] = deque()  # monotonic seconds
        self._tokens = itertools.count(1)

    # -- shown ----------------------------------------------------------------------------

    @property
    def state(self) -> ServerState:
        return self._state

    @property
    def error(self) -> str | None:
        """Why it failed, and what comes next; None unless it did."""
        return self._error

    def _shown(self) -> HostProcess | None:
        return self._host if self._state is ServerState.RUNNING else None

    @property
    def address(self) -> Any:
        """What getsockname() says; None unless it listens."""
        host = self._shown()
        return host.address if host is not None else None

    @property
    def fileno(self) -> int | None:
        """The listening descriptor, in the child; None unless it listens."""
        host = self._shown()
        return host.fileno if host is not None else None

    @property
    def pid(self) -> int | None:
        """Of the child; None unless it listens."""
        host = self._shown()
        return host.pid if host is not None else None

    @property
    def started_us(self) -> int | None:
        host = self._shown()
        return host.started_us if host is not None else None

    @property
    def limits(self) -> Limits:
        return self._limits

    @limits.setter
    def limits(self, limits: Limits) -> None:
        """Takes effect in moments, for what comes and what is open."""
        self._limits = limits
        host = self._shown()
        if host is not None:
            host.tell("limits", limits)

    def connections(self) -> list[ConnectionInfo]:
        """Who is connected, oldest first, as last told."""
        host = self._shown()
        return list(host.connections) if host is not None else []

    def totals(self) -> Totals:
        """Counts of this run, or of the last one, as last told."""
        return self._host.totals if self._host is not None else Totals()

    def disconnect(self, connection_id: int) -> bool:
        """Cut one connection. Waits at most a second for the child's answer.

        Returns: False when it is not there (any more); without an answer, whether it was.
        """
        host = self._shown()
        if host is None:
            return False
        found = host.ask("disconnect", next(self._tokens), connection_id, timeout_s=_ANSWER_S)
        if found is None:
            return any(connection.id == connection_id for connection in host.connections)
        return bool(found)

    # -- start ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the process. Returns once its server listens.

        Raises: OSError as bind raised it in the child; SockcoreError for anything else, state
        `FAILED`; StateError when it is running already.
        """
        with self._moving:
            if self._state is ServerState.RUNNING:
                raise StateError(f"{self.name} is running already")
            self._cancel.set()
            self._cancel = threading.Event()
            self._deaths.clear()
            self._launch()
        return self

    def _launch(self) -> None:
        self._move(ServerState.STARTING)
        self._error = None
        try:
            host = HostProcess(self._target, self._arguments, self.name, self._limits, self._sink)
        except Exception as error:
            self._move(ServerState.FAILED)
            self._error = str(error)
            raise
        self._host = host
        self._move(ServerState.RUNNING)
        host.listen_to(self._ended)

    # -- its end --------------------------------------------------------------------------

    def _ended(self, host: HostProcess) -> None:
        """Thread: the one that listens to `host`."""
        cancel = self._cancel
        with self._moving:
            if self._state is not ServerState.RUNNING or self._host is not host:
                return
            cause = host.cause()
            log.error("%s: %s", self.name, cause)
            host.tell_ends(cause)
            self._move(ServerState.FAILED)
            self._tell_stopped(0, cause)
            self._deaths.append(time.monotonic())
        self._start_again(cancel, cause)

    def _start_again(self, cancel: threading.Event, cause: str) -> None:
        rule = self._restarts
        while True:
            while self._deaths and self._deaths[0] < time.monotonic() - rule.within_s:
                self._deaths.popleft()
            count = len(self._deaths)
            if count >= rule.most:
                self._error = f"{cause}; given up after {count} times in {rule.within_s:g} s"
                return
            pause_s = min(rule.longest_s, rule.first_s * 2 ** (count - 1))
            self._error = f"{cause}; started again in {pause_s:g} s"
            if cancel.wait(pause_s):
                return
            with self._moving:
                if cancel.is_set() or self._state is not ServerState.FAILED:
                    return
                try:
                    self._launch()
                    return
                except (OSError, SockcoreError) as error:
                    cause = str(error)
                    self._deaths.append(time.monotonic())

    def stop(self, timeout_s: float = 5.0) -> int:
        """As BackgroundServer.stop(); a child that is not out by then is killed.

        Returns: how many handlers were abandoned, or connections cut off by the kill.
        """
        self._cancel.set()
        with self._moving:
            if self._state is ServerState.FAILED:
                self._move(ServerState.STOPPED)
                self._error = None
            if self._state is ServerState.STOPPED:
                return 0
            self._move(ServerState.STOPPING)
            host = self._host
            assert host is not None
            abandoned = host.stop(timeout_s)
            if host.was_killed:
                self._tell_stopped(abandoned, KILLED)
            self._move(ServerState.STOPPED)
            return abandoned

    def _tell_stopped(self, abandoned: int, cause: str) -> None:
        self._sink(
            ServerStopped(server=self.name, at_us=now_us(), abandoned=abandoned, cause=cause)
        )

    def _move(self, then: ServerState) -> None:
        check_move(self._state, then)
        self._state = then

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
