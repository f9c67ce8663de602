"""The damaged day files: moved aside, listed until they are removed, never written again.

Knows names. Knows nothing of SQL, and of who has a file open.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.domain import DamagedFile
from app.store.day_folder import DayFolder, beside, remove_index, size

FOLDER_NAME: Final = "damaged"

#: The end of the name of an empty file: the alarm about the one without it has been heard.
_HEARD: Final = ".acknowledged"


class DamagedDays:
    """`<data_dir>/requests/damaged`; there is none until one is needed. Thread: any."""

    def __init__(self, folder: DayFolder) -> None:
        self._folder = folder
        self.path = folder.path / FOLDER_NAME

    def take(self, day: str) -> Path:
        """Move the file of `day` here, with what SQLite keeps beside it; its index goes.

        Nobody may write to it. The file goes last: if this is cut short it is found again.
        Returns: where it is now. Raises: OSError.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        path, target = self._folder.file(day), self._free(day)
        for old, new in zip(beside(path), beside(target), strict=True):
            if old.exists():
                old.rename(new)
        path.rename(target)
        remove_index(path)
        return target

    def all(self) -> list[DamagedFile]:
        """The newest day first."""
        found = sorted(self.path.glob("*.sqlite3"), reverse=True)
        return [DamagedFile(p.name, str(p), size(p), _heard(p).exists()) for p in found]

    def acknowledge(self, name: str) -> bool:
        """Returns: False if there is none of that name."""
        for path in self.path.glob("*.sqlite3"):
            if path.name == name:
                _heard(path).touch(mode=0o600)
                return True
        return False

    def _free(self, day: str) -> Path:
        """A name that nothing has, by the time in UTC."""
        stem = f"{day}-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        number, taken = 1, self.path / f"{stem}.sqlite3"
        while any(path.exists() for path in (taken, *beside(taken))):
            number += 1
            taken = self.path / f"{stem}-{number}.sqlite3"
        return taken


def _heard(path: Path) -> Path:
    return path.with_name(path.name + _HEARD)
