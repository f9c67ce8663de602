from __future__ import annotations

from app.store.committed import Committed, CommittedRow
from app.store.day_schema import summary_of_event
from app.store.requests import RequestEvent
from tests.app.store.samples import finished, progressed

EVENTS: list[RequestEvent] = [finished(1), progressed(2), finished(3, b"")]
SUMMARIES = [summary_of_event(event, "20260314", n) for n, event in enumerate(EVENTS, 5)]


def test_rows_are_the_summaries_of_their_events() -> None:
    rows = Committed([CommittedRow(n, "20260314", event) for n, event in enumerate(EVENTS, 5)])
    assert len(rows) == 3
    assert list(rows) == SUMMARIES
    assert (rows[0], rows[-1]) == (SUMMARIES[0], SUMMARIES[2])
    assert rows[1:] == SUMMARIES[1:]
    assert rows != SUMMARIES[1:]
    assert Committed([]) == []
