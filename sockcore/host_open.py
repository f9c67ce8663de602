"""What is open in a host process, as far as it was told; and how that ends when the host dies.

Knows events. Knows nothing of processes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sockcore.events import (
    Bytes,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    RequestFinished,
    RequestProgressed,
)
from sockcore.telling import now_us

__all__ = ["StillOpen"]


class StillOpen:
    """The connections and requests whose end was not told yet. Thread: one notes; any looks."""

    def __init__(self) -> None:
        self._opened: dict[int, ConnectionOpened] = {}  # by connection id
        self._progressed: dict[int, RequestProgressed] = {}  # by request id

    def __contains__(self, connection_id: int) -> bool:
        return connection_id in self._opened

    @property
    def requests(self) -> int:
        return len(self._progressed)

    def note(self, event: Event) -> None:
        if isinstance(event, ConnectionOpened):
            self._opened[event.connection_id] = event
        elif isinstance(event, ConnectionClosed):
            self._opened.pop(event.connection_id, None)
        elif isinstance(event, RequestProgressed):
            self._progressed[event.request_id] = event
        elif isinstance(event, RequestFinished):
            self._progressed.pop(event.request_id, None)

    def ends(self, why: str) -> Iterator[Event]:
        """The events that the host can no longer tell; nothing is open then."""
        opened, self._opened = self._opened, {}
        progressed, self._progressed = self._progressed, {}
        yield from (_closed(event) for event in opened.values())
        yield from (_finished(event, why) for event in progressed.values())


def _closed(opened: ConnectionOpened) -> ConnectionClosed:
    return ConnectionClosed(
        server=opened.server,
        connection_id=opened.connection_id,
        peer=opened.peer,
        at_us=now_us(),
        closed_by="handler",
    )


def _finished(progress: RequestProgressed, why: str) -> RequestFinished:
    return RequestFinished(
        server=progress.server,
        run_id=progress.run_id,
        request_id=progress.request_id,
        connection_id=progress.connection_id,
        peer=progress.peer,
        started_us=progress.started_us,
        duration_us=progress.duration_us,
        received=_digested(progress.received),
        sent=_digested(progress.sent),
        chunks=progress.chunks,
        outcome="error",
        closed_by="handler",
        error=why,
        truncated=progress.truncated,
        transport=progress.transport,
        address=progress.address,
    )


def _digested(part: Bytes) -> Bytes:
    # Of bytes that were not kept nobody knows the digest any more.
    whole = part.total and len(part.prefix) == part.total
    return part._replace(sha256=hashlib.sha256(part.prefix).digest()) if whole else part
