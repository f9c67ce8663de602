"""The day files that are open for writing, at most one writer for each.

Knows when a writer is to be trusted. Knows nothing of which rows go where.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager

from app.store.day_damage import noting_damage
from app.store.day_folder import DayFolder
from app.store.day_writer import DayWriter, is_disk_failure
from app.store.requests import DiskFailed


class DayWriters:
    """Thread: one at a time."""

    def __init__(self, folder: DayFolder, node_id: str) -> None:
        self._folder = folder
        self._node_id = node_id
        self._writers: dict[str, DayWriter] = {}
        #: Days that could not be written, and whether it was the disk that failed.
        self._failed: dict[str, bool] = {}

    @contextmanager
    def trusted(self, day: str, last_seq: int) -> Iterator[DayWriter]:
        """The writer of a day whose file has rows up to `last_seq` at most.

        After a failed write or fsync a connection is not to be trusted: it is closed, and the
        file is looked at before it is written again.
        Raises: DamagedDay, DiskFailed, sqlite3.Error.
        """
        try:
            with noting_damage(self._folder.file(day)):
                yield self._writer(day, last_seq)
        except (sqlite3.Error, OSError) as error:
            self.abandon(day)
            disk = is_disk_failure(error)
            self._failed[day] = disk or self._failed.get(day, False)
            if disk:
                raise DiskFailed(f"{self._folder.file(day)}: {error}") from error
            raise

    def abandon(self, day: str) -> None:
        """Close it as it is, if it is open: what is not committed is undone."""
        if writer := self._writers.pop(day, None):
            writer.abandon()

    def forget(self, day: str) -> None:
        """Its file is gone; one of that name that comes is another."""
        self.abandon(day)
        self._failed.pop(day, None)

    def close_idle(self, needed: Set[str]) -> None:
        """Keep the newest day's file open, and those that are `needed`."""
        if len(self._writers) > 1:
            for day in self._writers.keys() - needed - {max(self._writers)}:
                self._writers.pop(day).close()

    def close(self) -> None:
        with ExitStack() as closing:
            while self._writers:
                closing.callback(self._writers.popitem()[1].close)

    def _writer(self, day: str, last_seq: int) -> DayWriter:
        writer = self._writers.get(day)
        if writer is None:
            writer = self._writers[day] = DayWriter(self._folder.file(day), self._node_id)
            if day in self._failed:
                if self._failed[day]:
                    writer.check()
                writer.forget_after(last_seq)
                del self._failed[day]
        return writer
