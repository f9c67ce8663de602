"""The audit: what was changed, by whom, in the control database. Rows are added, and no more."""

from __future__ import annotations

import time
from typing import cast

from sqlmodel import Session, col, select

from app.store.database import Database
from app.store.tables import AuditRow
from app.who import Act, AuditEntry


class AuditTable:
    """Thread: any; every call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, act: Act) -> None:
        """Keep an act of which nothing else is in this database. Raises: as `writing`."""
        with self._database.writing() as session:
            note(session, act)

    def page(self, *, limit: int, before: int | None = None) -> list[AuditEntry]:
        """At most `limit` of them, newest first, with a number less than `before`."""
        asked = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit)
        if before is not None:
            asked = asked.where(col(AuditRow.id) < before)
        with self._database.reading() as session:
            return [_entry(row) for row in session.exec(asked)]


def note(session: Session, act: Act) -> None:
    """Add a row for `act` to the transaction that does it: both are there, or neither is."""
    session.add(
        AuditRow(
            at_us=time.time_ns() // 1000,
            who=act.by.name,
            kind=act.by.kind,
            address=act.by.address,
            what=act.what,
            target=act.target,
            before=None if act.before is None else dict(act.before),
            after=None if act.after is None else dict(act.after),
        )
    )


def _entry(row: AuditRow) -> AuditEntry:
    return AuditEntry(
        number=cast(int, row.id),
        at_us=row.at_us,
        who=row.who,
        kind=row.kind,
        address=row.address,
        what=row.what,
        target=row.target,
        before=row.before,
        after=row.after,
    )
