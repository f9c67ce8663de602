"""StreamRequestHandler: its files, its socket options, what finish swallows; and its writer."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sockcore.serving import DEADLINE_S, Trace, ask, read_all, running, traced_handler

LOOPBACK = ("127.0.0.1", 0)


class Failure(Exception):
    """What a test's handler raises."""


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection; every wait ends at the deadline."""
    with socket.create_server(LOOPBACK) as listener:
        near = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        far, _ = listener.accept()
    with near, far:
        yield near, far


def _set_up(api: Any, request: socket.socket, **attributes: object) -> Any:
    """A handler that has been set up and not finished."""
    handler_class: Any = type("Handler", (api.StreamRequestHandler,), attributes)
    handler = handler_class.__new__(handler_class)
    handler.request = request
    handler.setup()
    return handler


def test_handler_is_made_by_set_up_handle_finish(api: Any) -> None:
    trace = Trace()
    handler = traced_handler(api.BaseRequestHandler, trace)("request", "client", "server")
    assert trace.names == ["setup", "handle", "finish"]
    assert (handler.request, handler.client_address, handler.server) == (
        "request",
        "client",
        "server",
    )


def test_attributes_are_set_before_set_up(api: Any) -> None:
    class Handler(api.BaseRequestHandler):
        def setup(self) -> None:
            self.seen = (self.request, self.client_address, self.server)

    assert Handler(1, 2, 3).seen == (1, 2, 3)


def test_files_are_buffered_for_reading_and_direct_for_writing(api: Any, pair: Any) -> None:
    near, far = pair
    handler = _set_up(api, far)
    assert handler.connection is handler.request is far
    assert isinstance(handler.rfile, io.BufferedReader)
    assert type(handler.wfile) is api._SocketWriter
    assert handler.rfile.raw.readable()
    handler.finish()


def test_reader_reads_lines_and_pieces_and_peeks(api: Any, pair: Any) -> None:
    near, far = pair
    handler = _set_up(api, far)
    near.sendall(b"line one\nline two\n12345rest")
    near.shutdown(socket.SHUT_WR)
    assert handler.rfile.readline() == b"line one\n"
    assert handler.rfile.peek(1)[:4] == b"line"
    assert next(handler.rfile) == b"line two\n"
    buffer = bytearray(5)
    assert handler.rfile.readinto(buffer) == 5
    assert bytes(buffer) == b"12345"
    assert handler.rfile.read1(2) == b"re"
    assert handler.rfile.read() == b"st"
    assert handler.rfile.read() == b""
    handler.finish()


@pytest.mark.parametrize(
    ("sizes", "reader", "writer"),
    [
        ({"rbufsize": 0}, socket.SocketIO, io.BufferedIOBase),
        ({"rbufsize": 10}, io.BufferedReader, io.BufferedIOBase),
        ({"wbufsize": -1}, io.BufferedReader, io.BufferedWriter),
        ({"wbufsize": 64}, io.BufferedReader, io.BufferedWriter),
    ],
    ids=repr,
)
def test_buffer_sizes_choose_the_files(
    api: Any, pair: Any, sizes: dict[str, int], reader: type[Any], writer: type[Any]
) -> None:
    handler = _set_up(api, pair[1], **sizes)
    assert isinstance(handler.rfile, reader)
    assert isinstance(handler.wfile, writer)
    handler.finish()
    assert handler.rfile.closed
    assert handler.wfile.closed


def test_buffered_writer_sends_when_the_handler_finishes(api: Any) -> None:
    class Buffered(api.StreamRequestHandler):
        wbufsize = -1

        def handle(self) -> None:
            self.wfile.write(b"once ")
            self.wfile.write(b"and for all")

    with running(api.TCPServer(LOOPBACK, Buffered)) as server:
        assert ask(server.server_address) == b"once and for all"


@pytest.mark.parametrize("timeout", [None, 12.5])
def test_timeout_is_set_on_the_connection(api: Any, pair: Any, timeout: float | None) -> None:
    pair[1].settimeout(DEADLINE_S)
    handler = _set_up(api, pair[1], timeout=timeout)
    assert pair[1].gettimeout() == (DEADLINE_S if timeout is None else timeout)
    handler.finish()


def test_silent_client_is_left_after_the_timeout(api: Any) -> None:
    class Impatient(api.StreamRequestHandler):
        timeout = 0.01

        def handle(self) -> None:
            with pytest.raises(TimeoutError):
                self.rfile.readline()
            self.wfile.write(b"too late")

    with (
        running(api.TCPServer(LOOPBACK, Impatient)) as server,
        socket.create_connection(server.server_address, DEADLINE_S) as client,
    ):
        assert read_all(client) == b"too late"


@pytest.mark.parametrize("disabled", [False, True])
def test_nagle_is_disabled_only_when_asked(api: Any, pair: Any, disabled: bool) -> None:
    handler = _set_up(api, pair[1], disable_nagle_algorithm=disabled)
    assert bool(pair[1].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)) is disabled
    handler.finish()


class FakeFile:
    """A file of a handler that notes its calls and may fail at flush or close."""

    def __init__(self, name: str, calls: list[str], **failures: Exception) -> None:
        self.name, self.calls, self.failures = name, calls, failures
        self.closed = False

    def flush(self) -> None:
        self._call("flush")

    def close(self) -> None:
        self._call("close")

    def _call(self, step: str) -> None:
        self.calls.append(f"{self.name}.{step}")
        if step in self.failures:
            raise self.failures[step]


def _finish(api: Any, wfile: FakeFile, calls: list[str]) -> None:
    handler = api.StreamRequestHandler.__new__(api.StreamRequestHandler)
    handler.rfile, handler.wfile = FakeFile("rfile", calls), wfile
    handler.finish()


def test_finish_flushes_and_closes_the_writer_first(api: Any) -> None:
    calls: list[str] = []
    _finish(api, FakeFile("wfile", calls), calls)
    assert calls == ["wfile.flush", "wfile.close", "rfile.close"]


def test_finish_does_not_flush_a_closed_writer(api: Any) -> None:
    calls: list[str] = []
    wfile = FakeFile("wfile", calls)
    wfile.closed = True
    _finish(api, wfile, calls)
    assert calls == ["wfile.close", "rfile.close"]


@pytest.mark.parametrize("failure", [BrokenPipeError(), ConnectionResetError(), TimeoutError()])
def test_finish_swallows_that_the_peer_is_gone(api: Any, failure: Exception) -> None:
    calls: list[str] = []
    _finish(api, FakeFile("wfile", calls, flush=failure), calls)
    assert calls == ["wfile.flush", "wfile.close", "rfile.close"]


def test_finish_passes_on_other_failures_of_flush(api: Any) -> None:
    calls: list[str] = []
    with pytest.raises(Failure):
        _finish(api, FakeFile("wfile", calls, flush=Failure()), calls)
    assert calls == ["wfile.flush"]


@pytest.mark.parametrize("failure", [Failure(), BrokenPipeError()], ids=repr)
def test_finish_passes_on_failures_of_close(api: Any, failure: Exception) -> None:
    calls: list[str] = []
    with pytest.raises(type(failure)):
        _finish(api, FakeFile("wfile", calls, close=failure), calls)
    assert calls == ["wfile.flush", "wfile.close"]


def test_files_are_closed_after_the_handler(api: Any) -> None:
    files: list[io.IOBase] = []

    class Handler(api.StreamRequestHandler):
        def handle(self) -> None:
            files.extend((self.rfile, self.wfile))

    with running(api.TCPServer(LOOPBACK, Handler)) as server:
        ask(server.server_address)
    assert [file.closed for file in files] == [True, True]


def test_writer_missing_for_want_of_set_up_is_an_attribute_error(api: Any) -> None:
    class Forgetful(api.StreamRequestHandler):
        def setup(self) -> None:
            pass

    with pytest.raises(AttributeError, match="wfile"):
        Forgetful("request", "client", None)
