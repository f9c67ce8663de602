"""The audit in the control database: a row comes with what it tells of, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from app.store.audit import AuditTable, note
from app.store.database import FILE_NAME, Database
from app.store.tables import AuditRow
from app.who import Act, Who
from tests.acts import ACT

HOUR_US = 3_600_000_000
BY = Who(kind="token", name="温度 <b>", role="viewer", id="x", address="2001:db8::1")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / FILE_NAME)) as opened:
        yield opened


@pytest.fixture
def table(database: Database) -> AuditTable:
    return AuditTable(database)


def act(target: str) -> Act:
    return Act(by=BY, what="server.start", target=target)


def targets(table: AuditTable, **asked: int) -> list[str]:
    return [entry.target for entry in table.page(**{"limit": 500, **asked})]


def test_an_act_comes_back_as_it_was(table: AuditTable) -> None:
    before = {"limits": {"idle_timeout_s": 1.5}, "mask": ["秘密"], "tls": None}
    table.add(Act(by=BY, what="server.change", target="hall", before=before, after={}))
    (entry,) = table.page(limit=5)
    assert (entry.number, entry.what, entry.target) == (1, "server.change", "hall")
    assert (entry.who, entry.kind, entry.address) == ("温度 <b>", "token", "2001:db8::1")
    assert (entry.before, entry.after) == (before, {})
    assert abs(entry.at_us - time.time_ns() // 1000) < HOUR_US


@pytest.mark.parametrize("facts", [None, {}, {"role": None}])
def test_nothing_is_told_from_nothing_of_it(
    table: AuditTable, facts: Mapping[str, object] | None
) -> None:
    table.add(Act(by=BY, what="x", target="x", before=facts, after=facts))
    (entry,) = table.page(limit=5)
    assert (entry.before, entry.after) == (facts, facts)


def test_the_newest_comes_first_and_a_page_ends_before_a_number(table: AuditTable) -> None:
    assert table.page(limit=5) == []
    for number in range(1, 6):
        table.add(act(f"s{number}"))
    assert targets(table) == ["s5", "s4", "s3", "s2", "s1"]
    assert targets(table, limit=2) == ["s5", "s4"]
    assert targets(table, limit=2, before=4) == ["s3", "s2"]
    assert targets(table, before=1) == []
    assert targets(table, before=2**63 - 1) == targets(table)


def test_what_was_undone_is_not_in_it(table: AuditTable, database: Database) -> None:
    table.add(act("first"))
    with suppress(RuntimeError), database.writing() as session:
        note(session, act("never"))
        session.flush()
        raise RuntimeError("it failed")
    table.add(act("second"))
    assert [(entry.number, entry.target) for entry in table.page(limit=5)] == [
        (2, "second"),
        (1, "first"),
    ]


def test_many_at_once_have_a_number_each(table: AuditTable) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: table.add(act(str(number))), range(40)))
    found = table.page(limit=500)
    assert [entry.number for entry in found] == list(range(40, 0, -1))
    assert {entry.target for entry in found} == {str(number) for number in range(40)}


def test_no_row_is_changed_or_taken_away(table: AuditTable, database: Database) -> None:
    table.add(ACT)
    before = table.page(limit=5)
    for statement in (delete(AuditRow), update(AuditRow).values(who="nobody")):
        with (
            pytest.raises(IntegrityError, match="only added to"),
            database.writing() as session,
        ):
            session.execute(statement)
    assert table.page(limit=5) == before


def test_it_outlives_the_process(table: AuditTable, tmp_path: Path) -> None:
    table.add(act("first"))
    with closing(Database(tmp_path / FILE_NAME)) as again:
        AuditTable(again).add(act("second"))
        assert targets(AuditTable(again)) == targets(table) == ["second", "first"]
