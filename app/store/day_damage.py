"""How a damaged day file is known: SQLite says so, or that it is no database at all.

Knows SQLite's codes. Knows nothing of what is done about it: `damaged_days.py` does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_CODES: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class DamagedDay(sqlite3.DatabaseError):
    """The day file at `path` is damaged, or was a moment ago: it is the one with that `inode`."""

    def __init__(self, path: Path, inode: int | None, cause: sqlite3.Error) -> None:
        super().__init__(f"{path}: {cause}")
        self.path = path
        self.inode = inode
        self.cause = str(cause)


def is_damage(error: sqlite3.Error) -> bool:
    """What the driver says by itself has no code."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _CODES


def damaged(why: str) -> sqlite3.DatabaseError:
    """What SQLite would have raised, had it not been asked for its opinion."""
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


@contextmanager
def noting_damage(path: Path) -> Iterator[None]:
    """What SQLite calls damage, amid work on the day file at `path`, is raised as `DamagedDay`."""
    # Before it is opened: what is opened then is this one, or a newer one that nobody will move.
    inode = inode_of(path)
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamagedDay(path, inode, error) from error
        raise


def inode_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
