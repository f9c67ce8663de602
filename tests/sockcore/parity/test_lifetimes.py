"""What dies with a request: its handler, its socket, in the end the server; by reference count."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sockcore.serving import (
    ask,
    ask_once,
    running,
    wait_until,
)

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def without_collector() -> Iterator[None]:
    """No cyclic garbage collection: what dies in the test dies by reference count."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
@pytest.mark.parametrize("fails", [False, True])
def test_handler_and_request_die_with_the_request(
    api: Any, name: str, fails: bool, without_collector: None
) -> None:
    remains: list[weakref.ref[Any]] = []

    class Answer(api.StreamRequestHandler):
        def handle(self) -> None:
            remains.extend((weakref.ref(self), weakref.ref(self.request)))
            if fails:
                raise ZeroDivisionError

    with running(getattr(api, name)(LOOPBACK, Answer)) as server:
        server.handle_error = lambda request, address: None
        assert ask(server.server_address) == b""
        assert ask(server.server_address) == b""
        wait_until(lambda: all(ref() is None for ref in remains[:2]), "the end of the first")
    assert len(remains) == 4
    assert [ref() for ref in remains] == [None] * 4


def test_threads_of_requests_do_not_keep_the_server(api: Any, without_collector: None) -> None:
    with api.ThreadingTCPServer(LOOPBACK, api.BaseRequestHandler) as server:
        ask_once(server)
    remains = weakref.ref(server)
    del server
    wait_until(lambda: remains() is None, "the end of the server")
