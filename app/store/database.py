"""The control database: one SQLite file, its engine, its pragmas and its schema's version.

Knows nothing of what is in the tables. The request log is elsewhere: `day_files.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from app.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

FILE_NAME: Final = "control.sqlite3"
MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"

#: Milliseconds to wait for another process's lock, a back-up's for one.
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
        """A session that holds the write lock, committed at the end; undone by an exception."""
        with Session(self._engine) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._engine.dispose()


def upgrade(path: Path) -> bool:
    """Bring the schema of the database at `path` to the newest; make the file if need be.

    Returns: whether the database was new.
    Raises: Unavailable, `control_database_unreadable` or `control_database_unknown_version`.
    """
    engine = make_engine(path, foreign_keys=False)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with engine.begin() as connection:
            new = MigrationContext.configure(connection).get_current_revision() is None
            config = Config(attributes={"connection": connection})
            # Alembic's options are interpolated: a per cent sign in the path is doubled.
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            "control_database_unknown_version",
            f"{path} has a schema that this version does not know ({error}). It was written by "
            "a newer version: run that one, or choose another data directory.",
        ) from error
    except (OSError, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise Unavailable(
            "control_database_unreadable",
            f"The control database {path} cannot be opened: {cause}. Check the file and its "
            "directory, or choose another data directory.",
        ) from error
    finally:
        engine.dispose()
    return new


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
