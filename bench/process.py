"""The measured processes from outside: started on a core of their own, their CPU and memory.

Knows /proc and CPU clocks; knows nothing of what the processes serve.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Self

#: Seconds that a server may take to listen, and to end.
START_S, END_S = 30.0, 10.0

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024
_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock of a whole process, in its id's low bits


class NotAvailable(Exception):
    """This contender cannot be run here; the text says why."""


class ServerProcess:
    """One server in a process of its own, pinned to `core`. Ends with its context."""

    def __init__(
        self,
        command: list[str],
        core: int,
        *,
        environment: Mapping[str, str] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """`environment`: settings on top of ours. `stderr`: a file for it; else it is ours.

        Raises: NotAvailable when the process says so.
        """
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # inherited from the first instruction on
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(environment or {})},
            )
        finally:
            os.sched_setaffinity(0, mine)
        try:
            self.port = self._ready()
        except BaseException:
            self.end()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def _ready(self) -> int:
        """Wait for its word. Returns: the port that it serves."""
        word, _, rest = self._line().partition(" ")
        if word == "ready":
            return int(rest)
        if word == "not":
            raise NotAvailable(rest.removeprefix("available: "))
        raise RuntimeError(f"ended without a word: {self._process.args!r}")

    def _line(self) -> str:
        """The next one that it prints; empty if it ended."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_S)[0]:
            raise RuntimeError(f"no word within {START_S:.0f} s of {self._process.args!r}")
        return self._process.stdout.readline().decode().strip()

    def cpu_s(self) -> float:
        """CPU seconds, user and system, of the process and of all it started."""
        # Children first: one that is reaped meanwhile is then in its parent's sum.
        return sum(cpu_s(pid) for pid in reversed(self._family()))

    def ticks(self) -> tuple[int, int]:
        """The same in hundredths of a second: (all of it, what of it the kernel used)."""
        each = [ticks(pid) for pid in reversed(self._family())]
        return sum(user + system for user, system in each), sum(system for _, system in each)

    def rss_mib(self) -> float:
        """Resident memory of the process and of all it started."""
        pages = (Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self._family())
        return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE") / _MIB

    def sockets(self) -> int:
        """How many it has open, all in all."""
        return sum(_sockets(pid) for pid in self._family())

    def _family(self) -> list[int]:
        """The process and its descendants."""
        pids = [self.pid]
        for pid in pids:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
                for task in os.listdir(f"/proc/{pid}/task"):
                    children = Path(f"/proc/{pid}/task/{task}/children").read_text()
                    pids.extend(map(int, children.split()))
        return pids

    @contextlib.contextmanager
    def stalled(self, seconds: float) -> Iterator[None]:
        """Let it stand still for the body, `seconds` at least."""
        until = time.monotonic() + seconds
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
            time.sleep(max(0.0, until - time.monotonic()))
        finally:
            self._process.send_signal(signal.SIGCONT)

    def report(self) -> str:
        """Send it SIGUSR1. Returns: the line that it answers."""
        self._process.send_signal(signal.SIGUSR1)
        return self._line()

    def end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    close = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()


def python_server(*arguments: str) -> list[str]:
    """The command of one of `bench.servers`."""
    return [sys.executable, "-m", "bench.servers", *arguments]


def ticks(pid: int) -> tuple[int, int]:
    """(user, system) of one process with its reaped children; nothing when it is gone."""
    user, system, children_user, children_system = _times(pid)
    return user + children_user, system + children_system


def _times(pid: int) -> list[int]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return [0, 0, 0, 0]
    return [int(field) for field in fields[11:15]]


def cpu_s(pid: int) -> float:
    """Of one process with its reaped children; 0 when it is gone."""
    user, system, children_user, children_system = _times(pid)
    try:
        # Its CPU clock: in nanoseconds, where stat has hundredths of a second.
        own = time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:  # a zombie has none
        own = (user + system) * _TICK_S
    return own + (children_user + children_system) * _TICK_S


def _sockets(pid: int) -> int:
    count, folder = 0, f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += os.readlink(f"{folder}/{fd}").startswith("socket:")
    return count
