"""Reading a day file: short-lived read-only connections, so that no reader holds up the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from app.domain import RequestDetail
from app.errors import Unavailable
from app.store import day_schema
from app.store.day_damage import noting_damage

#: Seconds to wait while another connection recovers the write-ahead log of a killed process.
BUSY_TIMEOUT_S: Final = 5.0


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection that cannot write; None if the file has no schema yet, so no rows.

    Raises: Unavailable `request_log_unknown_version`, DamagedDay, sqlite3.Error.
    """
    with noting_damage(path), read_only(path) as connection:
        connection.execute("PRAGMA query_only=ON")
        yield connection if known_version(connection, path) else None


def read_only(path: Path) -> closing[sqlite3.Connection]:
    """A database of any kind, which must be there. Raises: sqlite3.Error."""
    return closing(
        sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
        )
    )


def version(path: Path) -> int:
    """The version of the schema, also one that this code does not know."""
    with read_only(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def unless_dropped(path: Path) -> Iterator[None]:
    """Amid it the file may be dropped: then it ends early, without an error.

    Raises: DamagedDay for what SQLite calls damage.
    """
    try:
        with noting_damage(path):
            yield
    except sqlite3.Error:
        if path.exists():
            raise


def known_version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version: 0 if there is no schema yet, else the one this code knows.

    Raises: Unavailable `request_log_unknown_version`.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, day_schema.VERSION):
        raise Unavailable(
            "request_log_unknown_version",
            f"{path} has version {version} of the request log; this program knows "
            f"{day_schema.VERSION}. Run the version that wrote it, or move the file away.",
        )
    assert isinstance(version, int)
    return version


def last_seq(path: Path) -> int:
    """The highest seq that ever was in the file, 0 when there was none."""
    with reading(path) as connection:
        if connection is None:
            return 0
        kept = connection.execute("SELECT max(seq) FROM requests").fetchone()[0]
        noted = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'last_seq')"
        if connection.execute(noted).fetchone()[0]:
            gone = connection.execute("SELECT max(seq) FROM last_seq").fetchone()[0]
            return max(kept or 0, gone or 0)
        return int(kept or 0)


def has_open_rows(path: Path) -> bool:
    with reading(path) as connection:
        if connection is None:
            return False
        query = "SELECT EXISTS (SELECT 1 FROM requests WHERE outcome = 'open')"
        return bool(connection.execute(query).fetchone()[0])


def count_rows(path: Path) -> int:
    with reading(path) as connection:
        if connection is None:
            return 0
        return int(connection.execute("SELECT count(*) FROM requests").fetchone()[0])


def used_bytes(connection: sqlite3.Connection) -> int:
    """What rows and their indexes take. Pages that are free are not counted: they serve again."""
    asked = ("page_size", "page_count", "freelist_count")
    size, pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    return int(size * (pages - free))


def bounds(path: Path) -> tuple[int, int] | None:
    """When the first and the last request of the file started; None when it has none."""
    with reading(path) as connection:
        if connection is None:
            return None
        query = "SELECT started_us FROM requests WHERE seq = (SELECT {}(seq) FROM requests)"
        first, last = (connection.execute(query.format(end)).fetchone() for end in ("min", "max"))
        return None if first is None else (first[0], last[0])


def detail(path: Path, seq: int) -> RequestDetail | None:
    with reading(path) as connection:
        if connection is None:
            return None
        row = connection.execute(f"{day_schema.DETAILS} WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else day_schema.detail_of_row(path.stem, row)
