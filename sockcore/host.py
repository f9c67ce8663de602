"""HostedServer: one server in a process of its own, watched from this one.

Knows states, deaths and restarts. What runs in the child is `hosted.py`.

    start -> child: import, make, listen -> running -> stop
                                   `-> died: failed, started again after 1, 2, 4 .. 60 s
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Self

from sockcore.connections import ConnectionInfo
from sockcore.errors import SockcoreError, StateError
from sockcore.events import Event, EventSink
from sockcore.host_errors import sentence
from sockcore.host_process import HostProcess
from sockcore.host_restarts import Deaths, Restarts
from sockcore.limits import Limits
from sockcore.state import ServerState, check_move
from sockcore.totals import Totals

__all__ = ["HostedServer", "Restarts"]

log = logging.getLogger("sockcore")

#: Seconds that disconnect() waits for the child's answer.
_ANSWER_S = 1.0

#: Seconds for a child to import what it needs, and to listen.
_START_S = 10.0

#: Seconds between looks at a start that is to be called off.
_LOOK_S = 0.05


def _unheard(_event: Event) -> None:
    """The sink of a server nobody listens to."""


class HostedServer:
    """Starts, stops and shows one server that runs in a child process.

    `target` is "package.module:function": the child imports it and calls it with `arguments`,
    values that pickle, for a server that is bound and listens. The rest is as with
    `BackgroundServer`; what is shown is as last told, a fifth of a second ago or (of more than
    200 connections) a second, and never waits. A child that dies is `FAILED` with the cause, and
    started again: the target is asked anew, so port 0 may then be another port.

    Thread: any. The sink is called in a thread of its own, in order.
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
        self._moving = threading.Lock()  # held by start, stop and a restart from end to end
        self._settling = threading.Lock()  # held while the state changes
        self._state = ServerState.STOPPED
        self._error: str | None = None
        self._starting: HostProcess | None = None  # does not listen yet
        self._host: HostProcess | None = None  # did; stays after its end, for its totals
        self._cancel = threading.Event()  # of what start() began, and restarts of it
        self._deaths = Deaths(restarts or Restarts())

    # -- shown ----------------------------------------------------------------------------

    @property
    def state(self) -> ServerState:
        return self._state

    @property
    def error(self) -> str | None:
        """Why it failed, and what comes next; None unless it did."""
        return self._error

    def _shown(self) -> HostProcess | None:
        listens = self._state in (ServerState.RUNNING, ServerState.STOPPING)
        return self._host if listens else None

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
        """Since when it listens, in UTC microseconds; None unless it does."""
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
        return host.connections() if host is not None else []

    def totals(self) -> Totals:
        """Counts of this run, as last told, or of the last one; exact after stop()."""
        return self._host.totals if self._host is not None else Totals()

    def disconnect(self, connection_id: int) -> bool:
        """Cut one connection. Waits at most a second for the child's answer.

        Returns: False when it is not there (any more); without an answer, whether it was.
        """
        host = self._shown()
        if host is None:
            return False
        found = host.disconnect(connection_id, _ANSWER_S)
        if found is None:
            return any(connection.id == connection_id for connection in host.connections())
        return found

    # -- start ----------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the process. Returns once its server listens.

        Raises: what the target raised: OSError, the builtin errors that say something wrong was
        asked for, and sockcore's own as they were, others as SockcoreError, which is also raised
        when it does not listen within 10 s or is stopped meanwhile; state `FAILED`. StateError
        when it is running already.
        """
        with self._moving:
            if self._state is ServerState.RUNNING:
                raise StateError(f"{self.name} is running already")
            self._cancel.set()
            self._cancel = threading.Event()
            self._deaths.clear()
            self._launch(self._cancel)
        return self

    def _launch(self, cancel: threading.Event) -> None:
        self._move(ServerState.STARTING)
        self._error = None
        limits, host = self._limits, None
        try:
            host = self._starting = HostProcess(self.name, self._sink)
            if cancel.is_set():
                host.kill()
            host.begin(self._target, self._arguments, limits, _START_S)
            follower = threading.Thread(
                target=self._follow, args=(host, cancel), name=f"host:{self.name}", daemon=True
            )
            self._host = host
            self._move(ServerState.RUNNING)
            follower.start()
        except BaseException as error:
            if host is not None:
                host.close()
            told = SockcoreError("it was stopped while it started") if cancel.is_set() else error
            self._error = sentence(told)
            self._move(ServerState.FAILED)
            raise told from (None if told is error else error)
        finally:
            self._starting = None
        if self._limits is not limits:
            host.tell("limits", self._limits)

    # -- its end --------------------------------------------------------------------------

    def _follow(self, host: HostProcess, cancel: threading.Event) -> None:
        """Thread: one for each child that listens."""
        host.listen()
        pause_s = self._died(host)
        host.tell_end()
        while pause_s is not None and not cancel.wait(pause_s):
            pause_s = self._start_again(cancel)

    def _died(self, host: HostProcess) -> float | None:
        """Returns: seconds until it is started again; None: it is not."""
        with self._settling:
            if self._host is not host or self._state is not ServerState.RUNNING:
                return None
            cause = host.cause()
            log.error("%s: %s", self.name, cause)
            pause_s, self._error = self._deaths.count(str(cause))
            self._state = ServerState.FAILED
            return pause_s

    def _start_again(self, cancel: threading.Event) -> float | None:
        """Returns: seconds until the next try; None when there is to be none."""
        with self._moving:
            if cancel.is_set():
                return None
            try:
                self._launch(cancel)
            except Exception as error:
                if cancel.is_set():
                    return None
                log.error("%s: could not be started again: %s", self.name, sentence(error))
                pause_s, self._error = self._deaths.count(sentence(error))
                return pause_s
            return None

    def stop(self, timeout_s: float = 5.0) -> int:
        """As BackgroundServer.stop(); a child that is not out by then is killed. A start that is
        under way, or due after a death, is called off.

        Returns: how many handlers were abandoned, or, when it was killed, requests cut off.
        """
        deadline = time.monotonic() + timeout_s
        self._call_off()
        while not self._moving.acquire(timeout=_LOOK_S):
            self._call_off()
        try:
            self._call_off()
            return self._stop(deadline)
        finally:
            self._moving.release()

    def _call_off(self) -> None:
        self._cancel.set()
        starting = self._starting
        if starting is not None:
            starting.kill()

    def _stop(self, deadline: float) -> int:
        host = self._host
        with self._settling:
            ran = self._state is ServerState.RUNNING
            if ran:
                self._state = ServerState.STOPPING
            elif self._state is ServerState.FAILED:
                self._state, self._error = ServerState.STOPPED, None
        if host is None:
            return 0
        if not ran:
            host.gone.wait(max(0.0, deadline - time.monotonic()))  # its death is being told
            return 0
        host.stop(deadline)
        self._move(ServerState.STOPPED)
        return host.abandoned or 0

    def _move(self, then: ServerState) -> None:
        with self._settling:
            check_move(self._state, then)
            self._state = then

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
