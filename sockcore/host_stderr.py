"""What a host process writes on its stdout and stderr: logged here, the last line kept.

Knows lines. A socket pair instead of a pipe, since children of the host may keep the other end
open for long after it, and reading must end all the same.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time

__all__ = ["HostStderr"]

log = logging.getLogger("sockcore")

#: Longer lines are cut in pieces.
_LINE_BYTES = 2000

#: Lines logged in a second; more are counted.
_LINES_A_SECOND = 100

#: Seconds to wait for the end of what is written.
_END_S = 0.2


class HostStderr:
    """Thread: one of its own reads; the others any."""

    def __init__(self, name: str) -> None:
        self.last_line = ""
        self._name = name
        self._ours, self.theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._read, name=f"stderr:{name}", daemon=True)
        self._second = 0.0  # monotonic: when the present one began
        self._lines = 0  # of the present second
        try:
            self._thread.start()
        except BaseException:
            self._ours.close()
            self.theirs.close()
            raise

    def _read(self) -> None:
        with self._ours.makefile("rb") as lines:
            while line := lines.readline(_LINE_BYTES):
                text = line.decode("utf-8", "backslashreplace").rstrip()
                if text:
                    self.last_line = text
                    self._log(text)
        self._log_left_out()

    def _log(self, text: str) -> None:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._log_left_out()
            self._second, self._lines = now, 0
        self._lines += 1
        if self._lines <= _LINES_A_SECOND:
            log.warning("%s: %s", self._name, text)

    def _log_left_out(self) -> None:
        left_out = self._lines - _LINES_A_SECOND
        if left_out > 0:
            log.warning("%s: and %d lines more", self._name, left_out)

    def close(self) -> None:
        """Once the process has ended. What it has written is read first."""
        self.theirs.close()
        self._thread.join(_END_S)
        if self._thread.is_alive():  # somebody still may write
            with contextlib.suppress(OSError):
                self._ours.shutdown(socket.SHUT_RD)
            self._thread.join(_END_S)
        self._ours.close()
