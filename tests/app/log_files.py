"""The files of a data directory whose app has ended: whole or not, and what they hold."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def whole(data_dir: Path) -> list[str]:
    """What `PRAGMA integrity_check` says of every database, `ok` for each that is whole."""
    verdicts = []
    for path in sorted(data_dir.rglob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as connection:
            verdicts += [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return verdicts


def received(data_dir: Path, server: str) -> dict[bytes, str]:
    """What each request of a server received, and how it ended."""
    found: dict[bytes, str] = {}
    query = "SELECT in_prefix, outcome FROM requests WHERE server = ?"
    for path in data_dir.rglob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as connection:
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if "requests" in tables:
                found |= dict(connection.execute(query, (server,)))
    return found
