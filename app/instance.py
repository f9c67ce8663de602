"""One process to a data directory: a lock that the kernel gives back when its holder dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

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
