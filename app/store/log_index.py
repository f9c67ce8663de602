"""Builds the indexes of all day files, a block at a time, behind the one that writes.

Knows which days have blocks left to build. Knows nothing of who asks, and when.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.store import day_index, day_reader
from app.store.day_damage import DamagedDay, is_damage
from app.store.day_folder import remove_index
from app.store.day_index import DayIndex, index_path

#: Seconds that `close` waits for a block to be done.
CLOSE_WAIT_S: Final = 1.0


class LogIndex:
    """Thread: one builds; the rest any."""

    def __init__(self, files: Callable[[], list[Path]]) -> None:
        """`files`: the day files that there are, newest first."""
        self._files = files
        self._building = threading.Lock()  # guards what is below, and the open index
        self._done: set[Path] = set()  # days that are over, and have all their blocks
        self._index: DayIndex | None = None
        self._path: Path | None = None  # of the day whose index is open
        self._is_closed = False

    def build(self) -> int:
        """One more block, of the newest day that lacks one. Returns: rows done; 0: all is, or it
        is closed.

        Raises: sqlite3.Error, OSError.
        """
        with self._building:
            files = [] if self._is_closed else self._files()
            for path in files:
                if path not in self._done:
                    with self._renewed(path):
                        rows = self._of(path).build()
                        if rows:
                            return rows
                        if path != files[0]:
                            self._done.add(path)
            return 0

    @contextmanager
    def _renewed(self, path: Path) -> Iterator[None]:
        """An index that is damaged goes, and is built anew from then on."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if isinstance(error, DamagedDay) or not is_damage(error):
                raise
            self._let_go()
            remove_index(path)

    @contextmanager
    def letting_go(self, path: Path) -> Iterator[None]:
        """Amid it nothing of that day is open or built: its files can be deleted."""
        with self._building:
            if self._path == path:
                self._let_go()
            self._done.discard(path)
            yield

    def forget(self, path: Path, last: int) -> None:
        """The rows of that day up to the seq `last` are deleted. Raises: sqlite3.Error."""
        with self._building:
            if index_path(path).exists():
                with self._renewed(path):
                    self._of(path).forget(last)

    def thin(self, path: Path, seqs: Sequence[int]) -> None:
        """These rows of that day are deleted. Raises: sqlite3.Error."""
        with self._building:
            self._done.discard(path)
            if index_path(path).exists():
                with self._renewed(path):
                    self._of(path).thin(seqs)

    def lag_rows(self) -> int:
        """Rows that no block covers: searching reads them one by one."""
        lag = 0
        for path in self._files():
            if path not in self._done:
                with day_reader.unless_dropped(path):
                    lag += _lag(path)
        return lag

    def close(self) -> None:
        """Build nothing more. Thread: any.

        A block that takes long is not waited for: its file is left open, and has nothing that
        could not be built again.
        """
        self._is_closed = True
        if self._building.acquire(timeout=CLOSE_WAIT_S):
            try:
                self._let_go()
            finally:
                self._building.release()

    def _let_go(self) -> None:
        if self._index is not None:
            self._index.close()
        self._index = self._path = None

    def _of(self, path: Path) -> DayIndex:
        if self._index is None or self._path != path:
            self._let_go()
            self._index, self._path = DayIndex(path), path
        return self._index


def _lag(path: Path) -> int:
    covered = day_index.covered(path)
    with day_reader.reading(path) as connection:
        if connection is None:
            return 0
        query = "SELECT count(*) FROM requests WHERE seq > ?"
        return int(connection.execute(query, (covered,)).fetchone()[0])
