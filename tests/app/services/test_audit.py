"""The audit as it is read: page by page, and all of it, while it is added to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import Invalid
from app.services.audit import MOST_ROWS, Audit
from app.store.audit import AuditTable, note
from app.store.database import FILE_NAME, Database
from app.who import SOCKPIT, Act, AuditEntry


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / FILE_NAME)) as opened:
        yield opened


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(AuditTable(database))


def act(number: int) -> Act:
    return Act(by=SOCKPIT, what="server.start", target=f"server-{number}")


def fill(database: Database, count: int) -> None:
    """As many acts, numbered from 1, in one transaction."""
    with database.writing() as session:
        for number in range(1, count + 1):
            note(session, act(number))


def numbers(entries: list[AuditEntry]) -> list[int]:
    assert [entry.target for entry in entries] == [f"server-{e.number}" for e in entries]
    return [entry.number for entry in entries]


def test_what_is_noted_can_be_read(audit: Audit) -> None:
    assert (audit.page(), list(audit.all())) == ([], [])
    audit.note(act(1))
    (entry,) = audit.page()
    assert (entry.number, entry.what, entry.target) == (1, "server.start", "server-1")
    assert (entry.who, entry.kind) == ("sockpit", "machine")
    assert list(audit.all()) == [entry]


def test_pages_follow_each_other_from_the_newest_on(audit: Audit, database: Database) -> None:
    fill(database, 60)
    assert numbers(audit.page()) == list(range(60, 10, -1))
    assert numbers(audit.page(before=11)) == list(range(10, 0, -1))
    assert numbers(audit.page(limit=2, before=3)) == [2, 1]
    assert audit.page(before=1) == audit.page(before=0) == audit.page(before=-(2**63)) == []
    assert numbers(audit.page(limit=1, before=2**63 - 1)) == [60]


@pytest.mark.parametrize("limit", [0, -1, MOST_ROWS + 1, 2**63])
def test_a_limit_that_is_none_is_refused(audit: Audit, limit: int) -> None:
    with pytest.raises(Invalid, match=f"from 1 to {MOST_ROWS}") as refused:
        audit.page(limit=limit)
    assert (refused.value.code, refused.value.field) == ("limit_range", "limit")


@pytest.mark.parametrize("count", [MOST_ROWS - 1, MOST_ROWS, 2 * MOST_ROWS + 1])
def test_all_of_it_is_every_act_once(audit: Audit, database: Database, count: int) -> None:
    fill(database, count)
    assert len(audit.page(limit=MOST_ROWS)) == min(count, MOST_ROWS)
    assert numbers(list(audit.all())) == list(range(count, 0, -1))


def test_what_comes_while_all_is_read_is_not_among_it(audit: Audit, database: Database) -> None:
    fill(database, MOST_ROWS + 1)
    read: list[AuditEntry] = []
    for entry in audit.all():
        if len(read) in (0, MOST_ROWS):
            audit.note(act(0))
        read.append(entry)
    assert numbers(read) == list(range(MOST_ROWS + 1, 0, -1))
    assert len(list(audit.all())) == MOST_ROWS + 3
