"""What no route expected, and what is no fault: a watcher that leaves amid an event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anyio
import pytest
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.types import Message

from app.error_handlers import install


def watched(route_fails: Exception | None = None) -> FastAPI:
    """An app with one stream, which always has one more event, or fails after the first."""
    app = FastAPI()

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[ServerSentEvent]:
        while True:
            yield ServerSentEvent(raw_data="x")
            if route_fails is not None:
                raise route_fails

    install(app)
    return app


async def leave_amid_an_event(app: FastAPI, after: int) -> None:
    """Watch, and go away while as many events of the stream are being sent, each slowly."""
    left = asyncio.Event()
    sent = 0

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        nonlocal sent
        await asyncio.sleep(0.001)  # meanwhile more events than there is room for have come
        sent += message["type"] == "http.response.body"
        if sent == after:
            left.set()

    request_line = {"method": "GET", "path": "/events", "query_string": b"", "http_version": "1.1"}
    scope = {"type": "http", "headers": [], "asgi": {"spec_version": "2.3"}, **request_line}
    await app(scope, receive, send)


@pytest.mark.parametrize("after", [1, 2, 5])
def test_a_watcher_that_leaves_amid_an_event_is_no_fault(after: int) -> None:
    asyncio.run(leave_amid_an_event(watched(), after))


@pytest.mark.parametrize(
    "fault", [ValueError("ours"), ExceptionGroup("ours", [anyio.BrokenResourceError(), OSError()])]
)
def test_a_fault_of_a_stream_stays_one(fault: Exception) -> None:
    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(leave_amid_an_event(watched(fault), 1_000))
    assert raised.group_contains(type(fault)) or raised.group_contains(OSError)
