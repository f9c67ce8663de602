"""What a failure in the thread of a request leads to, and one to start that thread."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import sys
import threading
from typing import Any, NoReturn

import pytest

from tests.sockcore.failing import STEPS, Failure, OtherFailure, failing, server_with_one_request
from tests.sockcore.serving import (
    Trace,
    connect,
    read_all,
    traced,
)

LOOPBACK = ("127.0.0.1", 0)


@pytest.mark.parametrize(("step", "ran"), STEPS.items())
def test_failing_handler_in_a_thread_is_told_of_there(api: Any, step: str, ran: list[str]) -> None:
    trace = Trace()
    server = server_with_one_request(
        api, trace, failing(api, trace, step, Failure), "ThreadingMixIn"
    )
    server._handle_request_noblock()
    server._threads.join()
    assert trace.names[2:] == [
        "process_request_thread",
        "finish_request",
        *ran,
        "handle_error",
        "shutdown_request",
        "close_request",
    ]
    worker = trace.threads["process_request_thread"]
    assert worker != threading.get_ident()
    assert trace.threads["handle_error"] == trace.threads["close_request"] == worker


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
def test_exit_in_a_thread_ends_only_the_thread(
    api: Any, failure: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_type))
    trace = Trace()
    server = server_with_one_request(
        api, trace, failing(api, trace, "handle", failure), "ThreadingMixIn"
    )
    server._handle_request_noblock()
    server._threads.join()
    assert "handle_error" not in trace.names
    assert trace.names[-2:] == ["shutdown_request", "close_request"]
    # SystemExit reaches the hook too; the default one is silent about it.
    assert hooked in ([failure], [])
    assert hooked or failure is SystemExit


def test_failing_handle_error_in_a_thread_still_shuts_the_request(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def handle_error(request: object, address: object) -> NoReturn:
        raise OtherFailure

    hooked: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append(args.exc_type))
    trace = Trace()
    server = server_with_one_request(
        api, trace, failing(api, trace, "handle", Failure), "ThreadingMixIn"
    )
    server.handle_error = handle_error
    server._handle_request_noblock()
    server._threads.join()
    assert trace.names[-2:] == ["shutdown_request", "close_request"]
    assert hooked == [OtherFailure]


def test_thread_that_cannot_start_is_told_of_and_serving_goes_on(api: Any) -> None:
    """A stack larger than the address space: the system itself refuses the thread."""
    trace = Trace()
    told: list[str] = []

    class Server(traced(api.ThreadingTCPServer, trace)):  # type: ignore[misc]
        def handle_error(self, request: Any, client_address: Any) -> None:
            told.append(str(sys.exc_info()[1]))
            trace.note("handle_error")

    class Answer(api.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"here")

    with (
        Server(LOOPBACK, Answer) as server,
        connect(server.server_address) as first,
        connect(server.server_address) as second,
    ):
        previous = threading.stack_size(1 << 47)
        try:
            server.handle_request()
        finally:
            threading.stack_size(previous)
        assert told == ["can't start new thread"]
        assert read_all(first) == b""
        caller = threading.get_ident()
        assert trace.threads["handle_error"] == trace.threads["close_request"] == caller
        assert trace.names[-3:] == ["handle_error", "shutdown_request", "close_request"]
        server.handle_request()
        assert read_all(second) == b"here"
