"""The control database: one SQLite file, its engine, its pragmas and its schema's version.

Knows nothing of what is in the tables. The request log is elsewhere: `day_files.py`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlmodel import Session

from app.durable import sync
from app.errors import Unavailable
from app.failpoints import failpoint

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

FILE_NAME: Final = "control.sqlite3"
MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"

#: Milliseconds to wait for another process's lock, a backup's for one.
BUSY_TIMEOUT_MS: Final = 5_000


class Database:
    """An open control database at the newest schema.

    Thread: any; every session has a connection of its own.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`; what is missing of directory, file or schema is made.

        Raises: Unavailable, `control_database_*`, naming the file and the way out.
        """
        #: Whether this start made it: nothing has ever been defined in it.
        self.created: Final = upgrade(path)
        self._engine = make_engine(path)
        self._reading = self._engine.execution_options(begin="DEFERRED")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the database and keeps no writer waiting."""
        with Session(self._reading) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that holds the write lock, committed at the end; undone by an exception.

        Raises: Unavailable `disk_full`.
        """
        try:
            with Session(self._engine) as session, session.begin():
                yield session
        except OperationalError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_FULL:
                raise
            detail = "The disk is full, so nothing was changed. Make room, then try again."
            raise Unavailable("disk_full", detail) from error

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()


def upgrade(path: Path) -> bool:
    """Bring the schema of the database at `path` to the newest; make the file if need be.

    All in one transaction, so that a process that dies amid it leaves the database as it was; and
    as it was it stays beside the new one, see `backup_path`.
    Returns: whether the database was new.
    Raises: Unavailable, `control_database_unreadable` or `control_database_unknown_version`.
    """
    engine = make_engine(path, foreign_keys=False)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        config = _config()
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        newest = ScriptDirectory.from_config(config).get_current_head()
        if revision is not None and revision != newest:
            _back_up(path, revision)
        _make_steps_fail_where_asked(engine)
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            "control_database_unknown_version",
            f"{path} has a schema that this version does not know ({error}). It was written by "
            "a newer version: run that one, or choose another data directory.",
        ) from error
    except (OSError, DBAPIError, sqlite3.Error) as error:
        raise _unreadable(path, error) from error
    finally:
        engine.dispose()
    return revision is None


def _unreadable(path: Path, error: Exception) -> Unavailable:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return Unavailable(
        "control_database_unreadable",
        f"The control database {path} cannot be opened: {cause}. Check the file and its "
        "directory, restore a backup (python -m app restore DIR --replace), or choose another "
        "data directory.",
    )


def backup_path(path: Path, revision: str) -> Path:
    """Where the database at `path` is kept as the version with that revision left it."""
    return path.with_name(f"{path.stem}-{revision}{path.suffix}")


def _config() -> Config:
    config = Config()
    # Alembic's options are interpolated: a per cent sign in the path is doubled.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _back_up(path: Path, revision: str) -> None:
    """Whole or not at all. Raises: sqlite3.Error, OSError."""
    target = backup_path(path, revision)
    draft = target.with_suffix(".new")
    draft.unlink(missing_ok=True)  # of a process that died
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(draft)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, and nothing beside it
    draft.replace(target)
    sync(path.parent)


def _make_steps_fail_where_asked(engine: Engine) -> None:
    """Each statement from now on is a failpoint, and so is the commit."""
    steps = count(1)

    @event.listens_for(engine, "before_cursor_execute")
    def step(*_facts: object) -> None:
        failpoint(f"migrate.step_{next(steps)}")

    @event.listens_for(engine, "commit")
    def commit(_connection: Connection) -> None:
        failpoint(f"migrate.step_{next(steps)}")


def knows(revision: str) -> bool:
    """Whether a control database whose schema has that version can be opened, or upgraded."""
    try:
        return ScriptDirectory(str(MIGRATIONS)).get_revision(revision) is not None
    except CommandError:
        return False


def make_engine(path: Path, *, foreign_keys: bool = True) -> Engine:
    """An engine whose transactions begin when they say so.

    `foreign_keys=False` is for migrations: where SQLite cannot alter a table, Alembic copies
    and drops it, and the drop would delete the rows that refer to it.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)))

    # The driver of Python 3.11 begins transactions by itself, late, and not for every statement.
    # These two hooks, from SQLAlchemy's manual, take that over.
    @event.listens_for(engine, "connect")
    def configure(connection: DBAPIConnection, _record: object) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: a definition that was answered for survives a power cut too.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA foreign_keys={'ON' if foreign_keys else 'OFF'}")
        cursor.close()

    # IMMEDIATE: two writers that both read first would otherwise fail instead of waiting.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("begin", "IMMEDIATE")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine
