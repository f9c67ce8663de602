"""Events of requests, as a server would send them, for the tests of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from app.domain import RequestDetail
from app.log_facts import Gap
from sockcore.events import Bytes, Chunk, RequestFinished, RequestProgressed

#: 2026-03-14 12:00:00 UTC.
NOON_US = 1_773_489_600_000_000
DAY_US = 86_400_000_000


def content(data: bytes, *, kept: int | None = None) -> Bytes:
    """One direction that carried `data`, of which the first `kept` bytes were kept."""
    return Bytes(data[:kept], len(data), hashlib.sha256(data).digest() if data else b"")


def requests_of(details: Iterable[RequestDetail | Gap]) -> Iterator[RequestDetail]:
    """What a walk over the log finds, which must be without a gap."""
    for detail in details:
        assert not isinstance(detail, Gap), detail
        yield detail


def finished(request_id: int, data: bytes = b"hello\r\n", **changes: Any) -> RequestFinished:
    """Request `request_id`: `data` came in at once and went out 250 µs later."""
    event = RequestFinished(
        server="echo",
        run_id="run-1",
        request_id=request_id,
        connection_id=request_id,
        peer="127.0.0.1:50000",
        started_us=NOON_US + request_id,
        duration_us=1_000,
        received=content(data),
        sent=content(data),
        chunks=(Chunk(True, 0, len(data)), Chunk(False, 250, len(data))) if data else (),
        outcome="ok",
        closed_by="client",
    )
    return replace(event, **changes)


def progressed(request_id: int, data: bytes = b"hel", **changes: Any) -> RequestProgressed:
    """The same request while it is open: `data` came in so far."""
    event = RequestProgressed(
        server="echo",
        run_id="run-1",
        request_id=request_id,
        connection_id=request_id,
        peer="127.0.0.1:50000",
        started_us=NOON_US + request_id,
        duration_us=500,
        received=content(data),
        sent=Bytes(),
        chunks=(Chunk(True, 0, len(data)),) if data else (),
    )
    return replace(event, **changes)
