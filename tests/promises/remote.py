"""Programs of the promises' tests: started, told what to do, asked, and ended.

A program and its test speak over a socket pair, a line of JSON each way. Knows nothing of what
they say to each other, nor of servers.
"""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

from tests.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]

#: Seconds for an answer: some of what they are told to do takes its time.
_ANSWER_S = 4 * DEADLINE_S


class Program:
    """`python -m tests.promises.<name>`, running until the block is left."""

    def __init__(self, name: str, **spec: object) -> None:
        self._ours, theirs = socket.socketpair()
        self._ours.settimeout(_ANSWER_S)
        self._lines = self._ours.makefile("r", encoding="utf-8")
        self._said = tempfile.TemporaryFile("w+b")  # noqa: SIM115  (by close())
        module, fd = f"tests.promises.{name}", str(theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", module, fd, json.dumps(spec)],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stderr=self._said,
            )
        self.pid = self._process.pid
        self.ready: Any = self._answer()

    def ask(self, what: str, **details: object) -> Any:
        """Have it do `what`; returns what it answers."""
        self._ours.sendall(json.dumps({"do": what, **details}).encode() + b"\n")
        return self._answer()

    def said(self) -> str:
        """What it wrote to stderr so far."""
        size = self._said.seek(0, 2)
        return os.pread(self._said.fileno(), size, 0).decode("utf-8", "replace")

    def _answer(self) -> Any:
        line = self._lines.readline()
        assert line, f"it ended with {self._process.wait(DEADLINE_S)}: {self.said()}"
        answer: Any = json.loads(line)
        return answer

    def close(self) -> None:
        self._lines.close()
        self._ours.close()
        try:
            status = self._process.wait(DEADLINE_S)
        finally:
            self._process.kill()
            self._process.wait(DEADLINE_S)
            said = self.said()
            self._said.close()
        assert status == 0, f"it ended with {status}: {said}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


class Orders:
    """The program's side: what it was started with, and what it is told."""

    def __init__(self) -> None:
        self._sock = socket.socket(fileno=int(sys.argv[1]))
        self._lines = self._sock.makefile("r", encoding="utf-8")
        self.spec: dict[str, Any] = json.loads(sys.argv[2])

    def fileno(self) -> int:
        return self._sock.fileno()

    def say(self, what: object) -> None:
        self._sock.sendall(json.dumps(what).encode() + b"\n")

    def next(self) -> dict[str, Any] | None:
        """Wait for an order. Returns: None when there are no more."""
        line = self._lines.readline()
        order: dict[str, Any] | None = json.loads(line) if line else None
        return order


def allow_all_descriptors() -> None:
    """As many as this process may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
