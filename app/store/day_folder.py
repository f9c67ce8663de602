"""The folder of the day files: which days there are, how they are called, how big they are.

Knows names and sizes. Knows nothing of SQL, and of who has a file open.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from app.store.day_index import index_path

_DAY: Final = re.compile(r"[0-9]{8}")

#: What SQLite keeps beside a database.
_BESIDE: Final = ("-wal", "-shm")

#: What is of no use without the day's own file.
_LEFTOVERS: Final = ("sqlite3-wal", "sqlite3-shm", "index", "index-wal", "index-shm")


class DayFolder:
    """`<data_dir>/requests`; there may be none yet. Thread: any."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def days(self) -> list[str]:
        """The days that have a file, newest first; the directory is asked each time."""
        found = (path.stem for path in self.path.glob("*.sqlite3"))
        return sorted((day for day in found if _DAY.fullmatch(day)), reverse=True)

    def files(self) -> list[Path]:
        return [self.file(day) for day in self.days()]

    def file(self, day: str) -> Path:
        return self.path / f"{day}.sqlite3"

    def bytes(self) -> int:
        """On the disk, everything that lies in it."""
        return sum(map(size, self.path.glob("*")))

    def remove(self, day: str) -> None:
        """Delete a day's file and all that belongs to it. Nobody may write to it.

        The file goes first: SQLite makes none of the others for a file that is not there, so a
        reader that comes too late makes nothing that a new file could take for its own.
        Raises: OSError.
        """
        path = self.file(day)
        path.unlink(missing_ok=True)
        for other in beside(path):
            other.unlink(missing_ok=True)
        remove_index(path)

    def sweep(self) -> None:
        """Delete what belongs to a day that is not there: a deletion was cut short."""
        there = set(self.days())
        for path in self.path.glob("*"):
            day, _, kind = path.name.partition(".")
            if _DAY.fullmatch(day) and day not in there and kind in _LEFTOVERS:
                path.unlink(missing_ok=True)


def beside(database: Path) -> list[Path]:
    """What SQLite may keep beside a database: its write-ahead log and the index of that."""
    return [database.with_name(database.name + end) for end in _BESIDE]


def remove_index(day_file: Path) -> None:
    """It has nothing of its own: what is there of rows is indexed anew."""
    index = index_path(day_file)
    for path in (index, *beside(index)):
        path.unlink(missing_ok=True)


def size(path: Path) -> int:
    """In bytes; 0 of what went meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
