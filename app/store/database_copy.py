"""A copy of a database that others write to meanwhile, and whether such a copy is whole.

Knows SQLite. Knows nothing of what a database is for, but how the rows of a day are counted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from app.store.day_damage import is_damage
from app.store.day_reader import read_only

#: Pages that one step copies: 1 MiB. And steps after which the disk is to have what was copied:
#: bit by bit, so that the commits of others never wait for all of it.
_PAGES: Final = 256
_STEPS: Final = 16


class DamagedCopy(Exception):
    """What was copied is damaged, and so is what it was copied from."""


def copy_database(source: Path, target: Path) -> None:
    """Make `target` what `source` is at this moment; nobody waits for that.

    Raises: DamagedCopy, sqlite3.Error, OSError.
    """
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with (
            _told_damage(),
            read_only(source) as reading,
            closing(sqlite3.connect(target)) as writing,
        ):
            # It is nobody's yet: half of it is thrown away, the whole is on the disk in the end.
            writing.execute("PRAGMA journal_mode=OFF")
            writing.execute("PRAGMA synchronous=OFF")
            # One reader's view for all steps: else each commit of others would begin it anew.
            reading.execute("BEGIN")
            reading.execute("SELECT 1 FROM sqlite_master").fetchone()
            reading.backup(writing, pages=_PAGES, progress=_Steady(descriptor))
        os.fsync(descriptor)
    finally:
        # Only now: a descriptor that is closed takes SQLite's locks on its file away with it.
        os.close(descriptor)


class _Steady:
    """Called after each step."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._steps = 0

    def __call__(self, _status: int, _remaining: int, _total: int) -> None:
        self._steps += 1
        if self._steps % _STEPS == 0:
            os.fdatasync(self._descriptor)


def check(copy: Path) -> None:
    """Raises: DamagedCopy saying what SQLite finds wrong with it; sqlite3.Error."""
    with _told_damage(), _finished(copy) as connection:
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if verdict != "ok":
        raise DamagedCopy(verdict)


@contextmanager
def _told_damage() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise DamagedCopy(str(error)) from error
        raise


def rows_of_day(copy: Path) -> tuple[int, int]:
    """How many requests the copy of a day file has, and the last seq, 0 if there is none."""
    with _finished(copy) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        if "requests" not in tables:  # its first write did not come yet
            return 0, 0
        found = connection.execute("SELECT count(*), max(seq) FROM requests").fetchone()
        return int(found[0]), int(found[1] or 0)


def revision(copy: Path) -> str:
    """The version of the schema of the copy of a control database. Raises: sqlite3.Error."""
    with _finished(copy) as connection:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def _finished(copy: Path) -> closing[sqlite3.Connection]:
    """Nobody writes to it: nothing is made beside it in order to read it."""
    uri = f"{copy.absolute().as_uri()}?mode=ro&immutable=1"
    return closing(sqlite3.connect(uri, uri=True))
