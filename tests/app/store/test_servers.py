from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain import Capture, InetAddress, Limits, ServerSpec, Tls, UnixAddress
from app.errors import Conflict, NotFound
from app.store.database import Database
from app.store.servers import ServerTable
from tests.acts import ACT

CLOCK = ServerSpec(
    name="clock",
    transport="tcp",
    concurrency="event",
    isolation="process",
    handler="clock",
    address=InetAddress("127.0.0.1", 10001),
    handler_options={"greeting": "你好", "lines": 3, "pause_s": 0.5, "upper": True},
    limits=Limits(max_connections=7, idle_timeout_s=1.5, send_timeout_s=0.5, backlog=16),
    capture=Capture(policy="preview", bytes=0, mask=("text:秘密", r"re:\x00+")),
    tls=Tls(certificate="mine", client_ca="ours", client_certificates="optional"),
    wanted="running",
    created_us=1_773_489_600_000_001,
)
LOCAL = ServerSpec(
    name="a-local-one",
    transport="unix-datagram",
    concurrency="single",
    handler="mine.py:Mine",
    address=UnixAddress("local.sock"),
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "control.sqlite3")) as opened:
        yield opened


@pytest.fixture
def table(database: Database) -> ServerTable:
    return ServerTable(database)


def test_specs_come_back_as_they_were_by_name(table: ServerTable) -> None:
    table.add(CLOCK, ACT)
    table.add(LOCAL, ACT)
    assert table.all() == [LOCAL, CLOCK]
    assert table.get("clock") == CLOCK
    assert table.get("nobody") is None


def test_specs_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "control.sqlite3"
    with closing(Database(path)) as first:
        ServerTable(first).add(CLOCK, ACT)
    with closing(Database(path)) as second:
        assert ServerTable(second).all() == [CLOCK]


def test_a_name_is_taken_once_and_the_first_one_stays(table: ServerTable) -> None:
    table.add(CLOCK, ACT)
    with pytest.raises(Conflict, match="'clock'") as refused:
        table.add(replace(LOCAL, name="clock"), ACT)
    assert (refused.value.code, refused.value.field) == ("name_taken", "name")
    assert table.all() == [CLOCK]


def test_of_many_who_add_one_name_at_once_one_succeeds(table: ServerTable) -> None:
    def add(port: int) -> bool:
        try:
            table.add(replace(CLOCK, address=InetAddress("127.0.0.1", port)), ACT)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(10000, 10040))) == 1
    assert len(table.all()) == 1


def test_replace_changes_all_but_the_name(table: ServerTable) -> None:
    table.add(CLOCK, ACT)
    table.add(LOCAL, ACT)
    changed = replace(LOCAL, name="clock", wanted="running", created_us=5)
    table.replace(changed, ACT)
    assert table.all() == [LOCAL, changed]


def test_wanted_changes_alone(table: ServerTable) -> None:
    table.add(CLOCK, ACT)
    table.set_wanted("clock", "stopped", ACT)
    assert table.get("clock") == replace(CLOCK, wanted="stopped")


def test_remove_frees_the_name(table: ServerTable) -> None:
    table.add(CLOCK, ACT)
    table.remove("clock", ACT)
    assert table.all() == []
    table.add(CLOCK, ACT)
    assert table.all() == [CLOCK]


def test_what_is_not_there_is_not_found(table: ServerTable) -> None:
    changes: list[Callable[[], None]] = [
        lambda: table.replace(CLOCK, ACT),
        lambda: table.set_wanted("clock", "running", ACT),
        lambda: table.remove("clock", ACT),
    ]
    for change in changes:
        with pytest.raises(NotFound, match="'clock'") as refused:
            change()
        assert refused.value.code == "server_not_found"
    assert table.all() == []
