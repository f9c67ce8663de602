from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from app.errors import Unavailable
from app.store.database import FILE_NAME, MIGRATIONS, Database, make_engine, upgrade
from app.store.tables import Table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "100% new" / FILE_NAME


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(path)) as opened:
        yield opened


def test_a_new_database_is_known_as_created_and_the_next_start_as_not(path: Path) -> None:
    with closing(Database(path)) as first:
        assert first.created
    with closing(Database(path)) as second:
        assert not second.created


def test_the_migrated_schema_is_that_of_the_tables(path: Path) -> None:
    upgrade(path)
    engine = make_engine(path)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Table.metadata) == []
        assert set(inspect(connection).get_table_names()) == {
            *Table.metadata.tables,
            "alembic_version",
        }
    engine.dispose()


def test_every_migration_goes_down_and_up_again(path: Path) -> None:
    upgrade(path)
    engine = make_engine(path, foreign_keys=False)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
    engine.dispose()
    assert upgrade(path)
    assert not upgrade(path)


def test_the_command_line_finds_the_same_schema(tmp_path: Path) -> None:
    environment = {**os.environ, "SOCKPIT_DATA_DIR": str(tmp_path / "data")}
    for arguments in (["upgrade", "head"], ["check"]):
        subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=MIGRATIONS.parent,
            env=environment,
            check=True,
            capture_output=True,
            timeout=30,
        )
    assert not upgrade(tmp_path / "data" / FILE_NAME)


def test_upgrading_leaves_logging_as_it_was(path: Path) -> None:
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = (root.level, list(root.handlers), alembic.level, list(alembic.handlers))
    mine = logging.getLogger("app.recorder")
    upgrade(path)
    assert (root.level, list(root.handlers), alembic.level, list(alembic.handlers)) == before
    assert not mine.disabled


def test_the_pragmas_hold_on_every_connection(database: Database) -> None:
    for session_of in (database.reading, database.writing):
        with session_of() as session:
            found = {
                name: session.connection().execute(text(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5_000,
        }


def test_writers_that_read_first_wait_for_each_other(database: Database) -> None:
    with database.writing() as session:
        session.connection().execute(text("CREATE TABLE counter (n INTEGER)"))
        session.connection().execute(text("INSERT INTO counter VALUES (0)"))

    def count_up(_: int) -> None:
        with database.writing() as session:
            connection = session.connection()
            n = connection.execute(text("SELECT n FROM counter")).scalar_one()
            connection.execute(text("UPDATE counter SET n = :n"), {"n": n + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count_up, range(80)))
    with database.reading() as session:
        assert session.connection().execute(text("SELECT n FROM counter")).scalar_one() == 80


def test_a_reader_sees_one_state_while_another_commits(database: Database) -> None:
    with database.writing() as session:
        session.connection().execute(text("CREATE TABLE counter (n INTEGER)"))
    count = text("SELECT count(*) FROM counter")
    with database.reading() as reader:
        assert reader.connection().execute(count).scalar_one() == 0
        with database.writing() as writer:
            writer.connection().execute(text("INSERT INTO counter VALUES (1)"))
        assert reader.connection().execute(count).scalar_one() == 0
    with database.reading() as reader:
        assert reader.connection().execute(count).scalar_one() == 1


def test_an_exception_undoes_the_transaction(database: Database) -> None:
    def fail_halfway() -> None:
        with database.writing() as session:
            session.connection().execute(text("CREATE TABLE half (n INTEGER)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    with database.reading() as session:
        assert "half" not in inspect(session.connection()).get_table_names()


def test_a_full_disk_is_told_as_such_and_changes_nothing(database: Database) -> None:
    with database.writing() as session:
        session.connection().execute(text("CREATE TABLE notes (text TEXT)"))

    def fill() -> None:
        with database.writing() as session:
            session.connection().execute(text("PRAGMA max_page_count = 1"))
            session.connection().execute(text("INSERT INTO notes VALUES (hex(zeroblob(99999)))"))

    with pytest.raises(Unavailable, match="Make room") as refused:
        fill()
    assert refused.value.code == "disk_full"
    with database.writing() as session:
        session.connection().execute(text("PRAGMA max_page_count = 1000"))
        assert session.connection().execute(text("SELECT count(*) FROM notes")).scalar_one() == 0
    with pytest.raises(OperationalError), database.writing() as session:
        session.connection().execute(text("INSERT INTO nowhere VALUES (1)"))


def test_a_schema_from_the_future_is_refused_with_the_way_out(path: Path) -> None:
    upgrade(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    with pytest.raises(Unavailable, match="9999.*newer version") as refused:
        Database(path)
    assert refused.value.code == "control_database_unknown_version"
    assert str(path) in refused.value.detail


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, but somebody's notes" * 40)
    with pytest.raises(Unavailable, match="file is not a database") as refused:
        Database(path)
    assert refused.value.code == "control_database_unreadable"
    assert path.read_bytes() == b"not a database, but somebody's notes" * 40


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(Unavailable, match="data") as refused:
        Database(tmp_path / "data" / FILE_NAME)
    assert refused.value.code == "control_database_unreadable"
