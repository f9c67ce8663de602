"""What each failing hook or handler leads to: the table of errors, row by row."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import errno
import io
import sys
import threading
from typing import Any, NoReturn

import pytest

from tests.sockcore.failing import STEPS, Failure, OtherFailure, failing, server_with_one_request
from tests.sockcore.serving import (
    POLL_S,
    Trace,
    connect,
    join,
    read_all,
    running,
    wait_until,
)

LOOPBACK = ("127.0.0.1", 0)


@pytest.mark.parametrize(
    "failure", [OSError(errno.ECONNABORTED, "gone"), TimeoutError(), BlockingIOError()], ids=repr
)
def test_no_request_after_all_is_not_an_error(api: Any, failure: OSError) -> None:
    trace = Trace()

    def get_request() -> NoReturn:
        raise failure

    server = server_with_one_request(api, trace, None)
    server.get_request = get_request
    assert server._handle_request_noblock() is None
    assert trace.names == []


def test_serving_goes_on_when_there_was_no_request(api: Any) -> None:
    class Aborting(api.TCPServer):
        aborted = 0

        def get_request(self) -> Any:
            request, address = super().get_request()
            if self.aborted:
                return request, address
            self.aborted += 1
            request.close()
            raise ConnectionAborted

    class ConnectionAborted(ConnectionAbortedError):
        pass

    class Answer(api.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"here")

    with running(Aborting(LOOPBACK, Answer)) as server:
        with connect(server.server_address) as first:
            assert read_all(first) == b""
        with connect(server.server_address) as second:
            assert read_all(second) == b"here"


def test_other_failures_of_get_request_pass_on(api: Any) -> None:
    def get_request() -> NoReturn:
        raise Failure

    server = server_with_one_request(api, Trace(), None)
    server.get_request = get_request
    with pytest.raises(Failure):
        server._handle_request_noblock()


@pytest.mark.parametrize("verdict", [False, None, 0, ""])
def test_refused_request_is_shut_without_a_handler(api: Any, verdict: object) -> None:
    trace = Trace()
    server = server_with_one_request(api, trace, None)
    server.verify_request = lambda request, address: verdict
    server._handle_request_noblock()
    assert trace.names == ["shutdown_request", "close_request"]


def test_failing_verdict_passes_on_and_leaves_the_request(api: Any) -> None:
    def verify_request(request: object, address: object) -> NoReturn:
        raise Failure

    trace = Trace()
    server = server_with_one_request(api, trace, None)
    server.verify_request = verify_request
    with pytest.raises(Failure):
        server._handle_request_noblock()
    assert trace.names == []


@pytest.mark.parametrize(("step", "ran"), STEPS.items())
def test_failing_handler_is_told_of_and_the_request_is_shut(
    api: Any, step: str, ran: list[str]
) -> None:
    trace = Trace()
    server_with_one_request(
        api, trace, failing(api, trace, step, Failure)
    )._handle_request_noblock()
    assert trace.names == [
        "verify_request",
        "process_request",
        "finish_request",
        *ran,
        "handle_error",
        "shutdown_request",
        "close_request",
    ]


def test_failure_of_finish_wins_over_that_of_handle(api: Any) -> None:
    class Failing(api.BaseRequestHandler):
        def handle(self) -> None:
            raise Failure

        def finish(self) -> None:
            raise OtherFailure

    with pytest.raises(OtherFailure) as caught:
        Failing("request", "client", None)
    assert isinstance(caught.value.__context__, Failure)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
def test_exit_passes_on_untold_with_the_request_shut(
    api: Any, step: str, failure: type[BaseException]
) -> None:
    trace = Trace()
    server = server_with_one_request(api, trace, failing(api, trace, step, failure))
    with pytest.raises(failure):
        server._handle_request_noblock()
    assert "handle_error" not in trace.names
    assert trace.names[-2:] == ["shutdown_request", "close_request"]


def test_failing_handle_error_passes_on_with_the_request_open(api: Any) -> None:
    def handle_error(request: object, address: object) -> NoReturn:
        raise OtherFailure

    trace = Trace()
    server = server_with_one_request(api, trace, failing(api, trace, "handle", Failure))
    server.handle_error = handle_error
    with pytest.raises(OtherFailure) as caught:
        server._handle_request_noblock()
    assert isinstance(caught.value.__context__, Failure)
    assert "shutdown_request" not in trace.names


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_serving_goes_on_after_a_failing_handler(
    api: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Picky(api.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"at " + bytes([int(self.rfile.readline())]))

    with (
        running(getattr(api, name)(LOOPBACK, Picky)) as server,
        connect(server.server_address) as bad,
        connect(server.server_address) as good,
    ):
        bad.sendall(b"not a number\n")
        assert read_all(bad) == b""
        good.sendall(b"65\n")
        assert read_all(good) == b"at A"
    assert "ValueError" in capsys.readouterr().err


def test_error_text_names_the_client_and_shows_the_traceback(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stderr)
    server = api.BaseServer("nowhere", None)
    try:
        raise Failure("the cause")
    except Failure:
        assert server.handle_error("request", ("127.0.0.1", 9)) is None
    lines = stderr.getvalue().splitlines()
    assert lines[0] == lines[-1] == "-" * 40
    assert lines[1] == ("Exception occurred during processing of request from ('127.0.0.1', 9)")
    assert lines[2] == "Traceback (most recent call last):"
    assert lines[-2].endswith("Failure: the cause")


def test_failing_service_actions_ends_the_loop_after_the_request(api: Any) -> None:
    def service_actions() -> NoReturn:
        raise Failure

    with api.TCPServer(LOOPBACK, api.BaseRequestHandler) as server:
        server.service_actions = service_actions
        with connect(server.server_address) as client:
            failed = threading.Event()

            def serve() -> None:
                with pytest.raises(Failure):
                    server.serve_forever(POLL_S)
                failed.set()

            thread = threading.Thread(target=serve)
            thread.start()
            wait_until(failed.is_set, "the end of the loop")
            join(thread)
            server.shutdown()
            assert read_all(client) == b""
