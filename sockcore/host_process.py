"""The child process of one run of a `HostedServer`, as its parent sees it.

Knows the process, its channel, and what was told through it.
"""

from __future__ import annotations

import builtins
import hashlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any

from sockcore.connections import ConnectionInfo
from sockcore.errors import SockcoreError
from sockcore.events import (
    Bytes,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    EventSink,
    RequestFinished,
    RequestProgressed,
)
from sockcore.limits import Limits
from sockcore.telling import now_us
from sockcore.totals import Totals
from sockcore.wire import Channel

__all__ = ["KILLED", "HostProcess"]

log = logging.getLogger("sockcore")

#: Seconds for a child to import what it needs, and to listen.
_START_S = 15.0

#: Seconds of a stop that are kept for the child's last words.
_LAST_WORDS_S = 0.3

#: Lines kept of what a child says on stderr.
_LAST_LINES = 20

KILLED = "its process did not stop in time and was killed"


class HostProcess:
    """Made listening. Thread: any, but `listen_to`, which starts its own."""

    def __init__(
        self, target: str, arguments: tuple[Any, ...], name: str, limits: Limits, sink: EventSink
    ) -> None:
        """Raises: what the child raised, OSError as it was; SockcoreError for the rest."""
        self.totals = Totals()
        self.connections: list[ConnectionInfo] = []
        self._name = name
        self._sink = sink
        self._open: dict[int, str] = {}  # peers by connection id
        self._progressed: dict[int, RequestProgressed] = {}  # by request id, not finished yet
        self._answers: dict[int, tuple[threading.Event, list[Any]]] = {}  # by token
        self._abandoned: int | None = None  # once the child has said so
        self._gone = threading.Event()
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        ours, theirs = socket.socketpair()
        with theirs:
            self._channel = Channel(ours)
            self._process = _spawn(theirs.fileno())
        self.pid: int = self._process.pid
        self._ears = threading.Thread(target=self._relog, name=f"stderr:{name}", daemon=True)
        self._ears.start()
        try:
            self._channel.send("begin", target, arguments, name, limits)
            self._await_listening()
        except BaseException:
            self._end_now()
            raise

    def _await_listening(self) -> None:
        try:
            answer = self._channel.receive(_START_S)
        except TimeoutError:
            told = f"the host process did not listen within {_START_S:g} s"
            raise SockcoreError(told) from None
        match answer:
            case "listening", address, fileno, started_us:
                self.address, self.fileno, self.started_us = address, fileno, started_us
            case "failed", kind, errno, text:
                raise _same_error(kind, errno, text)
            case _:
                self._process.wait(1.0)
                raise SockcoreError(self.cause())

    # -- listening to it ------------------------------------------------------------------

    def listen_to(self, ended: Callable[[HostProcess], None]) -> None:
        """Pass on what it tells; call `ended` when it is gone."""
        ears = threading.Thread(target=self._listen, args=(ended,), name=f"host:{self._name}")
        ears.daemon = True
        ears.start()

    def _listen(self, ended: Callable[[HostProcess], None]) -> None:
        try:
            while (message := self._channel.receive()) is not None:
                self._take(message)
        except (OSError, UnpicklingError):
            log.exception("%s: what its host says cannot be understood", self._name)
        self._end_now()
        for event, _ in list(self._answers.values()):
            event.set()
        self._gone.set()
        ended(self)

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case "events", events:
                for event in events:
                    self._note(event)
                    self._emit(event)
            case "state", totals, connections:
                self.totals, self.connections = totals, connections
            case "answer", token, answer:
                waiting = self._answers.get(token)
                if waiting is not None:
                    waiting[1].append(answer)
                    waiting[0].set()
            case "stopped", abandoned:
                self._abandoned = abandoned

    def _note(self, event: Event) -> None:
        if isinstance(event, ConnectionOpened):
            self._open[event.connection_id] = event.peer
        elif isinstance(event, ConnectionClosed):
            self._open.pop(event.connection_id, None)
        elif isinstance(event, RequestProgressed):
            self._progressed[event.request_id] = event
        elif isinstance(event, RequestFinished):
            self._progressed.pop(event.request_id, None)

    def _emit(self, event: Event) -> None:
        try:
            self._sink(event)
        except Exception:
            log.exception("%s: the event sink raised", self._name)

    def _relog(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                text = line.decode("utf-8", "backslashreplace").rstrip("\n")[:2000]
                self._last_lines.append(text)
                log.warning("%s: %s", self._name, text)

    # -- telling it -----------------------------------------------------------------------

    def tell(self, *message: Any) -> bool:
        """Returns: False when it is gone."""
        try:
            self._channel.send(*message)
        except OSError:
            return False
        return True

    def ask(self, question: str, token: int, *details: Any, timeout_s: float) -> Any:
        """Returns: its answer; None when there was none in time."""
        answered = threading.Event()
        answers: list[Any] = []
        self._answers[token] = (answered, answers)
        try:
            if self.tell(question, token, *details):
                answered.wait(timeout_s)
        finally:
            del self._answers[token]
        return answers[0] if answers else None

    # -- its end --------------------------------------------------------------------------

    def stop(self, timeout_s: float) -> int:
        """Returns: how many handlers were abandoned, or connections cut by killing it."""
        deadline = time.monotonic() + timeout_s
        if self.tell("stop", max(0.0, timeout_s - _LAST_WORDS_S)):
            self._gone.wait(max(0.0, deadline - time.monotonic()))
        if self._abandoned is None:
            self._kill()
            self._gone.wait(_LAST_WORDS_S)
        cut = len(self._open)
        self.tell_ends(KILLED)
        return cut if self._abandoned is None else self._abandoned

    @property
    def was_killed(self) -> bool:
        return self._abandoned is None

    def tell_ends(self, cause: str) -> None:
        """Tell the ends of all that was open when it died."""
        self.connections = []
        for progress in list(self._progressed.values()):
            self._note_end(_ending(progress, cause))
        for connection_id, peer in list(self._open.items()):
            self._note_end(
                ConnectionClosed(
                    server=self._name,
                    connection_id=connection_id,
                    peer=peer,
                    at_us=now_us(),
                    closed_by="handler",
                )
            )

    def _note_end(self, event: Event) -> None:
        self._note(event)
        self._emit(event)

    def cause(self) -> str:
        """Why it ended."""
        status = self._process.poll()
        if status is None:
            return "its host process broke off the connection to us"
        if status < 0:
            return f"its host process died of signal {-status} ({signal.Signals(-status).name})"
        self._ears.join(1.0)
        last = f": {self._last_lines[-1]}" if self._last_lines else ""
        return f"its host process exited with status {status}{last}"

    def _kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()

    def _end_now(self) -> None:
        self._channel.end()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._channel.close()
        self._ears.join(1.0)


def _spawn(fd: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    begin = "import sys; sys.path[:] = sys.argv[2].split(sys.argv[3]); "
    begin += "from sockcore.hosted import main; main(int(sys.argv[1]))"
    return subprocess.Popen(
        [sys.executable, "-c", begin, str(fd), path, os.pathsep],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[fd],
    )


def _same_error(kind: str, errno: int | None, text: str) -> Exception:
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, OSError) and errno is not None:
        return OSError(errno, os.strerror(errno))
    return SockcoreError(f"{kind}: {text}" if text else kind)


def _ending(progress: RequestProgressed, cause: str) -> RequestFinished:
    return RequestFinished(
        server=progress.server,
        run_id=progress.run_id,
        request_id=progress.request_id,
        connection_id=progress.connection_id,
        peer=progress.peer,
        started_us=progress.started_us,
        duration_us=progress.duration_us,
        received=_digested(progress.received),
        sent=_digested(progress.sent),
        chunks=progress.chunks,
        outcome="error",
        closed_by="handler",
        error=cause,
    )


def _digested(part: Bytes) -> Bytes:
    # Of what was not kept nobody knows the digest any more.
    whole = part.total and len(part.prefix) == part.total
    return part._replace(sha256=hashlib.sha256(part.prefix).digest()) if whole else part
