"""The rows of a batch that was committed, as summaries.

Nobody may be watching, and then none is looked at: each is made when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

from app.domain import RequestSummary
from app.store.day_schema import summary_of_event
from app.store.requests import RequestEvent


class CommittedRow(NamedTuple):
    """Where the news of a request were stored."""

    seq: int
    day: str
    event: RequestEvent


class Committed(Sequence[RequestSummary]):
    """Equal to a list of the same summaries. Thread: any."""

    def __init__(self, rows: Sequence[CommittedRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> RequestSummary: ...
    @overload
    def __getitem__(self, index: slice) -> Committed: ...
    def __getitem__(self, index: int | slice) -> RequestSummary | Committed:
        if isinstance(index, slice):
            return Committed(self._rows[index])
        seq, day, event = self._rows[index]
        return summary_of_event(event, day, seq)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
