"""The rules of how much of the log is kept, in the control database."""

from __future__ import annotations

from app.domain import RetentionRules
from app.store.audit import note
from app.store.database import Database
from app.store.tables import RetentionRow
from app.who import Act

_ID = 1


class RetentionTable:
    """The one row. Thread: any; every call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self) -> RetentionRules:
        with self._database.reading() as session:
            row = session.get(RetentionRow, _ID)
            return RetentionRules(row.max_age_days, row.max_bytes) if row else RetentionRules()

    def put(self, rules: RetentionRules, act: Act) -> None:
        with self._database.writing() as session:
            session.merge(
                RetentionRow(id=_ID, max_age_days=rules.max_age_days, max_bytes=rules.max_bytes)
            )
            note(session, act)
