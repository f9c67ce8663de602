"""The audit, for those who read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.errors import FieldError, Invalid
from app.store.audit import AuditTable
from app.who import Act, AuditEntry

MOST_ROWS: Final = 500


class Audit:
    """Thread: any."""

    def __init__(self, table: AuditTable) -> None:
        self._table = table

    def note(self, act: Act) -> None:
        """Keep an act. Raises: Unavailable `disk_full`."""
        self._table.add(act)

    def page(self, *, limit: int = 50, before: int | None = None) -> list[AuditEntry]:
        """At most `limit` acts, newest first, with a number less than `before`.

        Raises: Invalid for a limit that is none.
        """
        if not 1 <= limit <= MOST_ROWS:
            detail = f"limit must be from 1 to {MOST_ROWS}."
            raise Invalid(FieldError("limit_range", detail, "limit"))
        return self._table.page(limit=limit, before=before)

    def all(self) -> Iterator[AuditEntry]:
        """Every act, newest first, in constant memory."""
        before: int | None = None
        while page := self._table.page(limit=MOST_ROWS, before=before):
            yield from page
            before = page[-1].number
