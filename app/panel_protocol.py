"""uvicorn's HTTP protocol with deadlines: a slow visitor of the panel costs nobody else a place.

uvicorn waits for ever for the rest of a header or of a body, and no middleware hears of a request
before its header is whole. So this is done where the bytes come in.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.api.problems import problem_response
from app.error_handlers import HttpError
from app.guards import HEADERS
from app.panel_door import Door, Fault, PanelLimits, plain

#: Bytes of a header, to within one read; the parser itself has no limit.
HEADER_BYTES = 64 * 1024

#: uvicorn's warnings are a line for each connection; the door counts what they are about.
_uvicorn = logging.getLogger("uvicorn.error.http")
_uvicorn.setLevel(logging.ERROR)

#: Seconds in which one who is cut may say goodbye, over TLS.
_GOODBYE_S = 1

#: Seconds after which one who was refused may try again.
_RETRY_S = 2


def panel_protocol(door: Door) -> type[PanelProtocol]:
    """The protocol of all connections that come through `door`; uvicorn makes one for each."""

    class ThroughDoor(PanelProtocol):
        pass

    ThroughDoor.door = door
    return ThroughDoor


class PanelProtocol(HttpToolsProtocol):
    """One connection to the panel.

    Something is expected of the client while `_due` is a time: first a header, then a body.
    Between requests uvicorn's own keep-alive timeout holds. Thread: the event loop's.
    """

    door: ClassVar[Door]

    _limits: PanelLimits
    _due: float | None = None  # seconds of `door.now` by which what is expected must be there
    _in_header = True  # what is expected is a header, or the first byte of one
    _header_bytes = 0  # that came since the last request; also those of its body
    _ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client = plain(self.client)
        self.logger = _uvicorn
        self._limits = self.door.limits
        fault = self.door.admit(self)
        if fault is None:
            self._expect_header()
        else:
            self._close(_ANSWERS[fault])

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, TimeoutError):  # by the kernel: `bound_unread`
            self.door.note(Fault.UNREAD, self)
        self.door.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._expect_header()
        self._header_bytes += len(data)
        super().data_received(data)
        if self._in_header and self._header_bytes > HEADER_BYTES:
            self._cut(Fault.LONG_HEADER)

    def look(self, now: float) -> None:
        """End this connection if it is overdue."""
        if self._due is None or self._ended:
            return
        if self.flow.read_paused:  # it is we who do not read on
            self._due = now + (self._limits.header_s if self._in_header else self._limits.body_s)
        elif now >= self._due:
            self._cut(Fault.HEADER if self._in_header else Fault.BODY)

    def make_room(self) -> None:
        """End this connection: it waits, and others need its place."""
        if self.scheme == "https" and self.transport.is_closing():
            self.transport.abort()  # what it waits for is the other side's goodbye
        self._cut(Fault.ROOM)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_header()

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer is none: it would be added to headers that were looked at already.
        if self._in_header:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self.door.is_served(self)
        self._in_header = False
        self._due = self.door.now + self._limits.body_s

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        # Each byte buys a little time, but none to keep. After the answer none does.
        if self._due is not None and not self.cycle.response_complete:
            bought = self._due + len(body) / self._limits.body_bytes_per_s
            self._due = min(bought, self.door.now + self._limits.body_s)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._due = None
        self._in_header = True
        self._header_bytes = 0
        self._wait_if_done()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._wait_if_done()

    def _wait_if_done(self) -> None:
        if self._in_header and self.cycle.response_complete and not self.pipeline:
            self.door.waits(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """What came cannot be parsed. uvicorn's own has neither our headers nor our form."""
        self._cut(Fault.NOT_HTTP)

    def _expect_header(self) -> None:
        if self._due is None:
            self._due = self.door.now + self._limits.header_s

    def _cut(self, fault: Fault) -> None:
        if self.transport.is_closing():
            return
        self.door.note(fault, self)
        self._close(_ANSWERS[fault] if self._may_be_answered() else b"")

    def _may_be_answered(self) -> bool:
        """Is its request the one that an answer would be taken for? A connection that has said
        nothing has none: browsers open such ones to be quicker later."""
        if self.pipeline:
            return False
        if self._in_header:
            answered = self.cycle is None or self.cycle.response_complete
            return answered and self._header_bytes > 0
        return not self.cycle.response_started

    def _close(self, answer: bytes) -> None:
        self._ended = True
        self._due = None
        if answer:
            self.transport.write(answer)
        if self.cycle is not None and not self.cycle.response_complete:
            # Now, not when the loop gets to it: the application must not answer any more.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
        if self.scheme == "https":  # TLS would wait for a goodbye that may never come
            asyncio.get_running_loop().call_later(_GOODBYE_S, self.transport.abort)


def _answer(status: HTTPStatus, code: str, detail: str, retry_s: int = 0) -> bytes:
    """All bytes of an answer after which the connection is closed."""
    problem = problem_response(HttpError(status, code, detail))
    problem.headers.update(HEADERS)
    problem.headers.update({"Cache-Control": "no-store", "Connection": "close"})
    if retry_s:
        problem.headers["Retry-After"] = str(retry_s)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name + b": " + value for name, value in problem.raw_headers]
    return b"\r\n".join([*lines, b"", bytes(problem.body)])


_TOO_MANY = HTTPStatus.SERVICE_UNAVAILABLE
_ANSWERS = {
    Fault.FULL: _answer(
        _TOO_MANY,
        "too_many_connections",
        "The panel has as many connections as it takes. Try again in a moment.",
        _RETRY_S,
    ),
    Fault.CROWD: _answer(
        _TOO_MANY,
        "too_many_of_one_address",
        "Your address has as many connections to the panel as one may have. Close some; or"
        " SOCKPIT_PANEL_CONNECTIONS_PER_ADDRESS allows more.",
        _RETRY_S,
    ),
    Fault.ROOM: _answer(
        _TOO_MANY,
        "connection_given_up",
        "The panel needed the connection for others, before its request was whole. Send it again.",
        _RETRY_S,
    ),
    Fault.HEADER: _answer(
        HTTPStatus.REQUEST_TIMEOUT,
        "header_timeout",
        "The header of the request did not come in time. Send it again.",
    ),
    Fault.LONG_HEADER: _answer(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        "header_too_large",
        f"The header of the request is longer than {HEADER_BYTES} bytes, the most that is taken.",
    ),
    Fault.NOT_HTTP: _answer(
        HTTPStatus.BAD_REQUEST, "not_http", "What was sent is no request of HTTP/1.1."
    ),
    Fault.BODY: _answer(
        HTTPStatus.REQUEST_TIMEOUT,
        "body_timeout",
        "The body of the request did not come in time. Send it again.",
    ),
}
