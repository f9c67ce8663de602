"""A database of an earlier version, with definitions in it, under the present one."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from app.domain import Capture, InetAddress, Limits, ServerSpec, UnixAddress
from app.errors import Unavailable
from app.store.database import FILE_NAME, MIGRATIONS, Database, backup_path, make_engine
from app.store.servers import ServerTable


def migrate(path: Path, revision: str) -> None:
    """Bring the database to `revision`, up or down."""
    engine = make_engine(path, foreign_keys=False)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        there = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE name = 'alembic_version'"
        ).first()
        (command.downgrade if there else command.upgrade)(config, revision)
    engine.dispose()


def write_0001(path: Path) -> None:
    """A database as version 0001 wrote it."""
    migrate(path, "0001")
    inet, unix = {"host": "127.0.0.1", "port": 10001}, {"name": "local.sock"}
    with closing(sqlite3.connect(path)) as connection:
        insert = "INSERT INTO servers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        limits = {"max_connections": 7, "idle_timeout_s": 1.5, "backlog": 16}
        for name, transport, concurrency, address, wanted in (
            ("clock", "tcp", "threading", inet, "running"),
            ("local", "unix-datagram", "single", unix, "stopped"),
        ):
            options, at, room = json.dumps({"utc": True}), json.dumps(address), json.dumps(limits)
            row = (name, transport, concurrency, "clock", options, at, room, wanted, 5)
            connection.execute(insert, row)
        connection.commit()


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / FILE_NAME
    write_0001(path)
    return path


def test_definitions_of_0001_go_on_as_they_were(old: Path) -> None:
    with closing(Database(old)) as database:
        found = ServerTable(database).all()
    limits = Limits(
        max_connections=7,
        max_connections_per_address=0,
        idle_timeout_s=1.5,
        send_timeout_s=0.0,
        handshake_timeout_s=5.0,
        handler_timeout_s=0.0,
        backlog=16,
        replies_per_s=0,
        replies_from_port=0,
    )
    assert found == [
        ServerSpec(
            name="clock",
            transport="tcp",
            concurrency="threading",
            isolation="thread",
            handler="clock",
            handler_options={"utc": True},
            address=InetAddress("127.0.0.1", 10001),
            limits=limits,
            tls=None,
            capture=Capture(policy="full", bytes=65_536),
            wanted="running",
            created_us=5,
        ),
        ServerSpec(
            name="local",
            transport="unix-datagram",
            concurrency="single",
            isolation="thread",
            handler="clock",
            handler_options={"utc": True},
            address=UnixAddress("local.sock"),
            limits=limits,
            tls=None,
            capture=Capture(policy="full", bytes=65_536),
            created_us=5,
        ),
    ]


def test_the_way_back_to_0001_gives_back_what_it_knew(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        before = connection.execute("SELECT * FROM servers ORDER BY name").fetchall()
    Database(old).close()
    migrate(old, "0001")
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("SELECT * FROM servers ORDER BY name").fetchall() == before


def test_the_way_back_to_0002_gives_back_what_it_knew(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    migrate(path, "0002")
    row = ("clock", "tcp", "pool", "thread", "clock", "{}", '{"host": "::1", "port": 1}', "{}")
    with closing(sqlite3.connect(path)) as connection:
        names = "name, transport, concurrency, isolation, handler, handler_options, address"
        insert = f"INSERT INTO servers ({names}, limits, wanted, created_us)"
        connection.execute(f"{insert} VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'stopped', 5)", row)
        connection.commit()
        before = connection.execute("SELECT * FROM servers").fetchall()
    with closing(Database(path)) as database:
        (found,) = ServerTable(database).all()
    assert found.capture == Capture()
    migrate(path, "0002")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM servers").fetchall() == before


def test_a_database_of_before_is_kept_as_it_was(old: Path) -> None:
    with closing(sqlite3.connect(old)) as connection:
        before = list(connection.iterdump())
    Database(old).close()
    kept = backup_path(old, "0001")
    assert kept.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(kept)) as connection:
        assert list(connection.iterdump()) == before
    kept.unlink()
    Database(old).close()  # nothing is migrated, nothing is kept
    assert {path.name for path in old.parent.iterdir() if path.suffix != "-wal"} == {FILE_NAME}


def test_without_room_to_keep_it_nothing_is_migrated(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup_path(old, "0001").mkdir()  # in its way
    with pytest.raises(Unavailable, match="cannot be opened") as refused:
        Database(old)
    assert refused.value.code == "control_database_unreadable"
    with closing(sqlite3.connect(old)) as connection:
        query = "SELECT version_num FROM alembic_version"
        assert connection.execute(query).fetchone() == ("0001",)
