"""A file that is given up when the disk is full, so that what must be written still can be.

Knows the disk. Knows nothing of who writes to it: the request log stops long before, see
`space.py`; others may not.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from app.services.space import kept_free

log = logging.getLogger("app.space")

FILE_NAME: Final = "ballast"

#: How much it is: some hundred changes of the control database; but of a small disk a part.
_BYTES: Final = 16 * 1024**2
_MOST_SHARE: Final = 16

#: It is given up when less than this part of its size is left.
_LAST_SHARE: Final = 4


class Ballast:
    """Thread: one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME

    def look(self) -> None:
        """Give it up if the disk is full; make it when there is room for it. Call it often.

        Raises: OSError.
        """
        total, free, size = self._room()
        if self._path.exists():
            self.relieve()
        elif free >= kept_free(total) + 2 * size:
            self._make(size)

    def relieve(self) -> None:
        """Give it up if the disk is full. Raises: OSError."""
        _, free, size = self._room()
        if free < size // _LAST_SHARE and self._path.exists():
            self._path.unlink()
            told = "the disk is full: %s is given up, so that changes can still be saved"
            log.error(told, self._path)

    def _room(self) -> tuple[int, int, int]:
        """Bytes of the disk, those that are free, and how many the ballast is to have."""
        total, _, free = shutil.disk_usage(self._folder)
        return total, free, min(_BYTES, total // _MOST_SHARE)

    def _make(self, size: int) -> None:
        draft = self._path.with_suffix(".new")
        with draft.open("wb") as file:
            os.chmod(draft, 0o600)
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.write(bytes(size))
        draft.rename(self._path)
