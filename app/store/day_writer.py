"""The one connection that writes a day file, and alone checkpoints it.

One, because SQLite before 3.51.3 can corrupt a file when two connections write and checkpoint
in the same instant. Knows nothing of events: it is given parameters.
"""

from __future__ import annotations

import errno
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Final

from app.failpoints import failpoint
from app.store import day_reader, day_schema
from app.store.day_damage import damaged
from app.store.day_reader import known_version, used_bytes
from app.store.day_schema import Values

#: Seconds to wait for another process's lock. The recorder tries again, so it need not be long.
BUSY_TIMEOUT_S: Final = 2.0

#: Bytes the write-ahead log keeps on disk after a checkpoint, so that a burst gives them back.
KEPT_WAL_BYTES: Final = 16 * 1024 * 1024

#: Seconds that looking for damage may take, after the disk failed. Rows wait meanwhile.
CHECK_S: Final = 5.0

#: Rows that one statement inserts, and that statement: of 32,766 parameters at most.
_ROWS_AT_ONCE: Final = 250
_INSERT_ROWS: Final = day_schema.insert_rows(_ROWS_AT_ONCE)

#: Rows, and bytes of payloads, that one transaction of `trim` deletes at most; a row at least.
_TRIM_ROWS: Final = 512
_TRIM_BYTES: Final = 4 * 1024 * 1024

#: Pages that `shrink` gives back to the disk at a time.
_SHRINK_PAGES: Final = 256


def is_disk_failure(error: sqlite3.Error | OSError) -> bool:
    """The disk did not do what it was told. Not a full one, nor a lock: those do no harm."""
    if isinstance(error, OSError):
        return error.errno != errno.ENOSPC
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR


def upgrade(path: Path) -> None:
    """Bring the file of an older version to this one's; killed amid it, it is as it was.

    One that needs nothing is not opened for writing: if it is damaged it stays as it is.
    Raises: sqlite3.Error.
    """
    if day_reader.version(path) not in day_schema.UPGRADES:
        return
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    with closing(connection):
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        while version in day_schema.UPGRADES:
            with transaction(connection):
                for statement in day_schema.UPGRADES[version]:
                    connection.execute(statement)
                version += 1
                connection.execute(f"PRAGMA user_version = {version}")


class DayWriter:
    """Thread: one at a time."""

    def __init__(self, path: Path, node_id: str) -> None:
        """Open the file at `path`; make it, as a stream of `node_id`, when it is not there.

        Raises: Unavailable if it is not ours to write, sqlite3.Error, OSError.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(path, node_id)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: Path, node_id: str) -> None:
        # Heard of only while the file is empty. What is trimmed can then be given to the disk.
        self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        self._connection.execute("PRAGMA journal_mode=WAL")
        # FULL: what was reported committed survives a power cut; NORMAL loses the last of it.
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute(f"PRAGMA journal_size_limit={KEPT_WAL_BYTES}")
        if known_version(self._connection, path) == 0:
            with self._transaction():
                for statement in day_schema.schema(node_id, uuid.uuid4().hex):
                    self._connection.execute(statement)

    def write(self, inserts: list[Values], updates: list[Values], facts: list[Values]) -> None:
        """All of INSERT, UPDATE and UPDATE_FACTS in one transaction."""
        failpoint("log.before_begin")
        with self._transaction():
            self._insert(inserts)
            failpoint("log.after_insert")
            self._connection.executemany(day_schema.UPDATE, updates)
            self._connection.executemany(day_schema.UPDATE_FACTS, facts)
            failpoint("log.before_commit")
        failpoint("log.after_commit")

    def note(self, gap: Values) -> None:
        """INSERT_GAP. Noted once more, it is there once."""
        with self._transaction():
            self._connection.execute(day_schema.INSERT_GAP, gap)

    def check(self) -> None:
        """Look for damage, as far as `CHECK_S` go.

        Raises: sqlite3.DatabaseError, which is damage, if there is any; sqlite3.Error.
        """
        deadline = time.monotonic() + CHECK_S
        self._connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
        try:
            verdict = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            verdict = "ok"
        finally:
            self._connection.set_progress_handler(None, 0)
        if verdict != "ok":
            raise damaged(verdict)

    def forget_after(self, last_seq: int) -> None:
        """Of a commit that failed SQLite may find all of it when it opens the file again, for it
        was written and only its fsync failed. Its rows go, as they are given again."""
        with self._transaction():
            self._connection.execute("DELETE FROM requests WHERE seq > ?", (last_seq,))

    def _insert(self, inserts: list[Values]) -> None:
        """Many rows by one statement: each gives up the interpreter lock, which busy threads are
        slow to give back."""
        rest = len(inserts) % _ROWS_AT_ONCE
        for first in range(0, len(inserts) - rest, _ROWS_AT_ONCE):
            rows = inserts[first : first + _ROWS_AT_ONCE]
            self._connection.execute(_INSERT_ROWS, tuple(chain.from_iterable(rows)))
        self._connection.executemany(day_schema.INSERT, inserts[len(inserts) - rest :])

    def mark_lost(self) -> int:
        with self._transaction():
            return self._connection.execute(day_schema.MARK_LOST).rowcount

    def used_bytes(self) -> int:
        return used_bytes(self._connection)

    def trim(self, bytes_: int) -> int | None:
        """Delete some of the oldest rows, of about `bytes_` at most; never the newest row.

        Returns: the last seq that went; None when there is but one row.
        """
        with self._transaction():
            rows = self._connection.execute(day_schema.OLDEST_SIZES, (_TRIM_ROWS,)).fetchall()
            last, left = None, min(bytes_, _TRIM_BYTES)
            for seq, size in rows:
                last, left = int(seq), left - size
                if left <= 0:
                    break
            if last is not None:
                self._connection.execute("DELETE FROM requests WHERE seq <= ?", (last,))
                self._connection.execute("DELETE FROM gaps WHERE after_seq <= ?", (last,))
        return last

    def delete(self, seqs: list[int]) -> int:
        """Returns: how many of them were there."""
        with self._transaction():
            newest = self._connection.execute("SELECT max(seq) FROM requests").fetchone()[0]
            if newest in seqs:
                for statement in day_schema.note_last_seq(newest):
                    self._connection.execute(statement)
            found = self._connection.executemany(
                "DELETE FROM requests WHERE seq = ?", [(seq,) for seq in seqs]
            )
            return found.rowcount

    def is_empty(self) -> bool:
        query = "SELECT NOT EXISTS (SELECT 1 FROM requests UNION ALL SELECT 1 FROM gaps)"
        return bool(self._connection.execute(query).fetchone()[0])

    def shrink(self) -> bool:
        """Give some free pages to the disk. Returns: whether there are more that can be given."""
        before = self._free_pages()
        # As a script: execute() ends with the first page, since it has no columns to fetch.
        self._connection.executescript(f"PRAGMA incremental_vacuum({_SHRINK_PAGES})")
        return 0 < self._free_pages() < before

    def _free_pages(self) -> int:
        return int(self._connection.execute("PRAGMA freelist_count").fetchone()[0])

    def close(self) -> None:
        """Move the write-ahead log into the file, if no reader is at it, and close."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            failpoint("ckpt.mid")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self._connection.close()

    def abandon(self) -> None:
        """Close after a failure: whatever is not committed is undone."""
        self._connection.close()

    def _transaction(self) -> AbstractContextManager[None]:
        return transaction(self._connection)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it is committed, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has already rolled back where it could not go on at all (a full disk).
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
