"""What is told of connections and requests: records made into events.

Knows both. Sends nothing and decides nothing.
"""

from __future__ import annotations

import time

from sockcore.connections import Connection, Request
from sockcore.events import (
    AcceptPaused,
    AcceptResumed,
    ClosedBy,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    HandlerOverdue,
    Outcome,
    RequestFinished,
    RequestProgressed,
)
from sockcore.values import maker

__all__ = [
    "Listener",
    "accept_paused",
    "accept_resumed",
    "closed",
    "finished",
    "now_us",
    "opened",
    "overdue",
    "progressed",
    "refused",
]


# Of each request there is one of these: their fields in order.
_opened, _closed = maker(ConnectionOpened), maker(ConnectionClosed)
_finished = maker(RequestFinished)

#: The transport of a server, and where it listens.
Listener = tuple[str, str]


def now_us() -> int:
    """UTC microseconds since the epoch."""
    return time.time_ns() // 1000


def accept_paused(server: str, error: str) -> AcceptPaused:
    return AcceptPaused(server=server, at_us=now_us(), error=error)


def accept_resumed(server: str, failures: int) -> AcceptResumed:
    return AcceptResumed(server=server, at_us=now_us(), failures=failures)


def opened(server: str, connection: Connection) -> ConnectionOpened:
    return _opened(server, connection.id, connection.peer, connection.opened_us)


def closed(server: str, connection: Connection, by: ClosedBy, at_us: int) -> ConnectionClosed:
    return _closed(server, connection.id, connection.peer, at_us, by)


def refused(server: str, connection: Connection, at_us: int, reason: str) -> ConnectionRefused:
    return ConnectionRefused(server=server, peer=connection.peer, at_us=at_us, reason=reason)


def progressed(
    server: str, run_id: str, listener: Listener, request: Request, now_ns: int
) -> RequestProgressed:
    connection, tape = request.connection, request.tape
    received, sent, chunks = tape.snapshot(digest=False)
    return RequestProgressed(
        server=server,
        run_id=run_id,
        request_id=request.id,
        connection_id=connection.id,
        peer=connection.peer,
        started_us=request.started_us,
        duration_us=(now_ns - tape.began_ns) // 1000,
        received=received,
        sent=sent,
        chunks=chunks,
        truncated=request.truncated,
        transport=listener[0],
        address=listener[1],
    )


def finished(
    server: str,
    run_id: str,
    listener: Listener,
    request: Request,
    outcome: Outcome,
    closed_by: ClosedBy,
    at_ns: int,
) -> RequestFinished:
    connection, tape = request.connection, request.tape
    received, sent, chunks = tape.snapshot(digest=True)
    return _finished(
        server,
        run_id,
        request.id,
        connection.id,
        connection.peer,
        request.started_us,
        (at_ns - tape.began_ns) // 1000,
        received,
        sent,
        chunks,
        outcome,
        closed_by,
        request.error if outcome in ("error", "handshake") else None,
        request.truncated,
        listener[0],
        listener[1],
    )


def overdue(
    server: str, run_id: str, request: Request, busy_s: float, at_us: int
) -> HandlerOverdue:
    return HandlerOverdue(
        server=server,
        run_id=run_id,
        request_id=request.id,
        connection_id=request.connection.id,
        peer=request.connection.peer,
        at_us=at_us,
        busy_s=busy_s,
    )
