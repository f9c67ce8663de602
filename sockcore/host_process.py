"""The child process of one run of a `HostedServer`, as its parent sees it.

Knows the process, its channel, and what was told through it.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from typing import Any

from sockcore.connections import ConnectionInfo
from sockcore.errors import SockcoreError
from sockcore.events import EventSink, ServerStarted, ServerStopped
from sockcore.host_errors import raised
from sockcore.host_open import StillOpen
from sockcore.host_stderr import HostStderr
from sockcore.limits import Limits
from sockcore.teller import Teller
from sockcore.telling import now_us
from sockcore.totals import Totals
from sockcore.wire import Channel, Message

__all__ = ["HostProcess"]

log = logging.getLogger("sockcore")

#: Seconds of a stop that are kept for the child's last words.
_LAST_WORDS_S = 0.3

#: Seconds for a process to end after its last words, and for us to tell what it was killed amid.
_ENDS_S = 1.0

#: Seconds in which a child takes what it is told, or counts as stuck.
_TAKES_S = 2

_BEGIN = """import sys; sys.path[:] = sys.argv[2:]
from sockcore.hosted import main; main(int(sys.argv[1]))"""


class HostProcess:
    """One child. `begin()` makes it serve; `listen()` hears it until it is gone; `tell_end()`
    comes last.

    Thread: any, but for those three.
    """

    def __init__(self, name: str, sink: EventSink) -> None:
        """Raises: OSError when there can be no process; RuntimeError, no thread."""
        self.totals = Totals()
        self.address: Any = None
        self.fileno: int | None = None
        self.started_us: int | None = None
        self.gone = threading.Event()  # set when its end is told
        self.abandoned: int | None = None  # handlers; known when it is gone
        self._name = name
        self._emit = Teller(name, sink).say
        self._connections: list[ConnectionInfo] = []
        self._as_of = 0.0  # monotonic seconds
        self._open = StillOpen()
        self._answers: dict[int, tuple[threading.Event, list[bool]]] = {}  # by token
        self._tokens = itertools.count(1)
        self._asked_to_stop = self._killed = False
        self._last_word: tuple[int, str | None] | None = None  # how many abandoned, and why
        self._channel, self._stderr, self._process = _spawned(name)
        self.pid: int = self._process.pid

    # -- shown ----------------------------------------------------------------------------

    def connections(self) -> list[ConnectionInfo]:
        """As last told, but those that were closed since; silent until now."""
        known, as_of = self._connections, self._as_of
        age_s = max(0.0, time.monotonic() - as_of)
        return [_older(info, age_s) for info in known if info.id in self._open]

    # -- starting -------------------------------------------------------------------------

    def begin(
        self, target: str, arguments: tuple[Any, ...], limits: Limits, timeout_s: float
    ) -> None:
        """Have it serve. Returns once it listens.

        Raises: what it raised, where that is known here; SockcoreError for the rest.
        """
        answer = None
        if self.tell("begin", target, arguments, self._name, limits):
            try:
                answer = self._channel.receive(timeout_s)
            except TimeoutError:
                raise SockcoreError(f"it did not listen within {timeout_s:g} s") from None
        match answer:
            case "listening", address, int(fileno), int(started_us):
                self.address, self.fileno, self.started_us = address, fileno, started_us
            case "failed", str(kind), str(text), system:
                raise raised(kind, text, system)
            case None:
                self._reap()
                raise SockcoreError(self.cause())
            case _:
                raise SockcoreError("what its host process says cannot be understood")

    def close(self) -> None:
        """End it: it did not come to serve."""
        self.kill()
        self._reap()
        self.gone.set()

    # -- listening to it ------------------------------------------------------------------

    def listen(self) -> None:
        """Pass on what it tells, until it is gone and reaped. Thread: one of its own."""
        assert self.started_us is not None
        self._emit(ServerStarted(server=self._name, at_us=self.started_us, address=self.address))
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        except Exception:  # whatever it said, its process must not go on unheard
            log.exception("%s: what its host process says cannot be understood", self._name)
        self._reap()
        for answered, _ in list(self._answers.values()):
            answered.set()

    def _take(self, message: Message) -> None:
        match message:
            case "events", events:
                for event in events:
                    self._open.note(event)
                    self._emit(event)
            case "standing", totals, connections:
                self.totals, self._connections = totals, connections
                self._as_of = time.monotonic()
            case "answer", token, answer:
                waiting = self._answers.get(token)
                if waiting is not None:
                    waiting[1].append(answer)
                    waiting[0].set()
            case "stopped", abandoned, cause:
                self._last_word = (abandoned, cause)

    # -- telling it -----------------------------------------------------------------------

    def tell(self, *message: Any) -> bool:
        """Returns: False when it does not hear any more."""
        try:
            self._channel.send(*message)
        except OSError:
            return False
        return True

    def disconnect(self, connection_id: int, timeout_s: float) -> bool | None:
        """Returns: whether it was there; None when the answer did not come in time."""
        token = next(self._tokens)
        answered, answers = self._answers[token] = (threading.Event(), [])
        try:
            if not self.tell("disconnect", token, connection_id):
                return False
            answered.wait(timeout_s)
        finally:
            del self._answers[token]
        if answers == [True]:  # what it tells from now on leaves it out too
            self._connections = [c for c in self._connections if c.id != connection_id]
        return answers[0] if answers else None

    def stop(self, deadline: float) -> None:
        """Have it stop by then (monotonic seconds), or kill it."""
        left_s = max(0.0, deadline - time.monotonic())
        self._asked_to_stop = True
        # When it does not hear that, it is on its way out by itself.
        self.tell("stop", left_s - min(_LAST_WORDS_S, 0.3 * left_s))
        if not self.gone.wait(max(0.0, deadline - time.monotonic())):
            self.kill()
            self.gone.wait(_ENDS_S)

    def kill(self) -> None:
        if self._process.poll() is None:
            self._killed = True
            self._process.kill()

    # -- its end --------------------------------------------------------------------------

    def _reap(self) -> None:
        self._channel.end()
        try:
            self._process.wait(_ENDS_S)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._channel.close()
        self._stderr.close()

    def cause(self) -> str | None:
        """Why it is gone; None when it was asked to go and did."""
        if self._last_word is not None and (self._last_word[1] or self._asked_to_stop):
            return self._last_word[1]
        status = self._process.returncode
        if self._killed:
            return "its host process did not end in time and was killed"
        if status < 0:
            return f"its host process died of signal {-status} ({_signal_name(-status)})"
        last = f": {self._stderr.last_line}" if self._stderr.last_line else ""
        return f"its host process exited with status {status}{last}"

    def tell_end(self) -> None:
        """Tell the ends of what was open when it died, and its own. Thread: that of listen()."""
        cause = self.cause()
        self.abandoned = self._last_word[0] if self._last_word is not None else self._open.requests
        for event in self._open.ends(cause or "its host process has ended"):
            self._emit(event)
        self._connections = []
        self._emit(
            ServerStopped(server=self._name, at_us=now_us(), abandoned=self.abandoned, cause=cause)
        )
        self.gone.set()


def _spawned(name: str) -> tuple[Channel, HostStderr, subprocess.Popen[bytes]]:
    with contextlib.ExitStack() as undone:
        ours, theirs = socket.socketpair()
        with theirs:
            channel = undone.enter_context(contextlib.closing(Channel(ours)))
            channel.give_up_sending_after(_TAKES_S)
            stderr = undone.enter_context(contextlib.closing(HostStderr(name)))
            process = _process(theirs.fileno(), stderr.theirs.fileno())
        stderr.theirs.close()
        undone.pop_all()
    return channel, stderr, process


def _process(channel: int, stderr: int) -> subprocess.Popen[bytes]:
    path = [entry or os.getcwd() for entry in sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", _BEGIN, str(channel), *path],
        stdin=subprocess.DEVNULL,
        stdout=stderr,
        stderr=stderr,
        pass_fds=[channel],
    )


def _older(info: ConnectionInfo, age_s: float) -> ConnectionInfo:
    return replace(info, idle_s=info.idle_s + age_s)


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return "of no name"
