"""One process to a data directory: a lock that the kernel gives back when its holder dies, and a
mark that it leaves behind if it dies.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from app.durable import sync
from app.errors import Conflict


class InstanceLock:
    """Held from construction until `release()` or the end of the process."""

    def __init__(self, data_dir: Path) -> None:
        """Raises: Conflict (in_use) naming the process that holds it."""
        # Closed on exec by default, so that no child keeps the lock.
        self._descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise Conflict(
                "in_use",
                f"The data directory {data_dir} is in use by pid {holder or 'unknown'}. Stop that"
                " process, or set SOCKPIT_DATA_DIR to another directory.",
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        os.close(self._descriptor)


class RunMark:
    """A file that is there from the start of a process to its end, if that was a clean one."""

    def __init__(self, data_dir: Path) -> None:
        """Look for the one of the process before."""
        self._path = data_dir / "running"
        self._made = False
        #: When that process started, UTC microseconds, if it did not end cleanly.
        self.left_us: Final = _changed_us(self._path)

    def make(self) -> None:
        """Something may be lost from now on. Raises: OSError."""
        self._path.touch(0o600)
        for path in (self._path, self._path.parent):  # a power cut leaves it
            sync(path)
        self._made = True

    def remove(self) -> None:
        """All that was to be written is. Not that of another process, which is not told of yet."""
        if self._made:
            self._path.unlink(missing_ok=True)


def _changed_us(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns // 1000
    except FileNotFoundError:
        return None
