"""One request from get_request to close_request: hook order, what a request may be, its end."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import functools
import socket
import threading
from typing import Any

import pytest

from tests.sockcore.serving import (
    FakeRequest,
    Trace,
    ask,
    ask_once,
    connect,
    datagrams,
    read_all,
    running,
    traced,
    traced_handler,
    wait_until,
)

LOOPBACK = ("127.0.0.1", 0)

ANSWERED = ["finish_request", "setup", "handle", "finish", "shutdown_request", "close_request"]


class ShutdownFailed(Exception):
    """What a test's connection raises that no socket does."""


@pytest.mark.parametrize("handler", ["BaseRequestHandler", "StreamRequestHandler"])
def test_hooks_of_a_plain_request_come_in_order(api: Any, handler: str) -> None:
    trace = Trace()
    handler_class = traced_handler(getattr(api, handler), trace)
    with (
        traced(api.TCPServer, trace)(LOOPBACK, handler_class) as server,
        connect(server.server_address),
    ):
        trace.names.clear()
        server.handle_request()
    assert trace.names == [
        "get_request",
        "verify_request",
        "process_request",
        *ANSWERED,
        "server_close",
    ]


def test_hooks_of_a_datagram_come_in_order(api: Any) -> None:
    trace = Trace()
    handler_class = traced_handler(api.DatagramRequestHandler, trace)
    with (
        traced(api.UDPServer, trace)(LOOPBACK, handler_class) as server,
        datagrams(LOOPBACK) as client,
    ):
        client.sendto(b"ping", server.server_address)
        trace.names.clear()
        server.handle_request()
        assert client.recv(64) == b""
    assert trace.names[:-1] == ["get_request", "verify_request", "process_request", *ANSWERED]


def test_hooks_of_a_threading_request_come_in_order(api: Any) -> None:
    trace = Trace()
    handler_class = traced_handler(api.BaseRequestHandler, trace)
    with traced(api.ThreadingTCPServer, trace)(LOOPBACK, handler_class) as server:
        with connect(server.server_address) as client:
            trace.names.clear()
            server.handle_request()
            assert read_all(client) == b""
        server._threads.join()
    assert trace.names[:-1] == [
        "get_request",
        "verify_request",
        "process_request",
        "process_request_thread",
        *ANSWERED,
    ]
    in_caller = {n for n, t in trace.threads.items() if t == threading.get_ident()}
    assert {"get_request", "verify_request", "process_request"} <= in_caller
    assert not in_caller & {"process_request_thread", *ANSWERED}


def test_handler_gets_request_address_and_server(api: Any) -> None:
    given: list[tuple[Any, ...]] = []
    with (
        api.TCPServer(LOOPBACK, lambda *args: given.append(args)) as server,
        connect(server.server_address) as client,
    ):
        server.handle_request()
        ((request, address, owner),) = given
        assert isinstance(request, socket.socket)
        assert address == client.getsockname()
        assert owner is server


def test_handler_class_is_any_callable_read_for_each_request(api: Any) -> None:
    def answer(text: bytes, request: socket.socket, address: object, server: object) -> None:
        request.sendall(text)

    with running(api.TCPServer(LOOPBACK, None)) as server:
        server.RequestHandlerClass = functools.partial(answer, b"first")
        assert ask(server.server_address) == b"first"
        server.RequestHandlerClass = functools.partial(answer, b"second")
        assert ask(server.server_address) == b"second"


def test_finish_request_may_give_the_handler_more(api: Any) -> None:
    class Serving(api.BaseRequestHandler):
        def __init__(self, *args: Any, folder: bytes) -> None:
            self.folder = folder
            super().__init__(*args)

        def handle(self) -> None:
            self.request.sendall(self.folder)

    class Server(api.TCPServer):
        def finish_request(self, request: Any, client_address: Any) -> None:
            self.RequestHandlerClass(request, client_address, self, folder=b"/srv")

    with running(Server(LOOPBACK, Serving)) as server:
        assert ask(server.server_address) == b"/srv"


@pytest.mark.parametrize(
    "request_",
    [(1, 2), [b"data"], "text", {}, None, pytest.param(object(), id="object")],
    ids=repr,
)
@pytest.mark.parametrize("address", [("127.0.0.1", 9), "", None, b"\0name", {"ip": "x"}], ids=repr)
@pytest.mark.parametrize("mixin", [None, "ThreadingMixIn"])
def test_request_and_address_may_be_anything(
    api: Any, request_: object, address: object, mixin: str | None
) -> None:
    given: list[tuple[object, ...]] = []
    bases = (getattr(api, mixin), api.BaseServer) if mixin else (api.BaseServer,)
    server = type("Server", bases, {})("nowhere", lambda *args: given.append(args))
    server.get_request = lambda: (request_, address)
    server._handle_request_noblock()
    server.server_close()
    assert given == [(request_, address, server)]


@pytest.mark.parametrize("mixin", [None, "ThreadingMixIn"])
def test_server_without_a_constructor_processes_requests(api: Any, mixin: str | None) -> None:
    given: list[tuple[object, ...]] = []

    class Uninitialised(api.BaseServer):
        RequestHandlerClass = staticmethod(lambda *args: given.append(args))

        def __init__(self) -> None:
            pass

    bases = (getattr(api, mixin), Uninitialised) if mixin else (Uninitialised,)
    server = type("Server", bases, {})()
    server.process_request("request", "client")
    server.server_close()
    assert given == [("request", "client", server)]


def test_stream_handler_needs_no_more_than_makefile_and_sendall(api: Any) -> None:
    ours, theirs = socket.socketpair()

    class Thin:
        def makefile(self, *args: Any) -> Any:
            return theirs.makefile(*args)

        def sendall(self, data: bytes) -> None:
            theirs.sendall(data)

    class Echo(api.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.readline())

    with ours, theirs:
        ours.sendall(b"line\n")
        api.BaseServer("nowhere", Echo).process_request(Thin(), "client")
        assert ours.recv(64) == b"line\n"


def test_process_request_may_keep_the_request(api: Any) -> None:
    kept: list[socket.socket] = []
    with running(api.TCPServer(LOOPBACK, None)) as server:
        server.process_request = lambda request, address: kept.append(request)
        with connect(server.server_address) as client, connect(server.server_address):
            wait_until(lambda: len(kept) == 2, "both accepted")
            kept[0].sendall(b"later")
            assert client.recv(64) == b"later"
            for request in kept:
                request.close()


@pytest.mark.parametrize("where", ["instance", "class"])
@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_hooks_may_be_replaced_at_any_time(
    api: Any, where: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def finish_request(*args: Any) -> None:
        called.append("finish_request")

    def verify_request(*args: Any) -> bool:
        called.append("verify_request")
        return True

    with getattr(api, name)(LOOPBACK, None) as server:
        for hook in (finish_request, verify_request):
            monkeypatch.setattr(
                server if where == "instance" else api.BaseServer, hook.__name__, hook
            )
        assert ask_once(server) == b""
    assert called == ["verify_request", "finish_request"]


def test_stream_request_is_shut_for_writing_and_closed(api: Any) -> None:
    request = FakeRequest()
    with api.TCPServer(LOOPBACK, None) as server:
        server.shutdown_request(request)
    assert request.calls == ["shutdown(SHUT_WR)", "close"]


def test_failing_shutdown_of_a_socket_does_not_keep_it_open(api: Any) -> None:
    class Gone(FakeRequest):
        def shutdown(self, how: int) -> None:
            raise OSError(107, "not connected")

    request = Gone()
    with api.TCPServer(LOOPBACK, None) as server:
        server.shutdown_request(request)
    assert request.calls == ["close"]


def test_other_failures_of_shutdown_pass_on_before_closing(api: Any) -> None:
    class Odd(FakeRequest):
        def shutdown(self, how: int) -> None:
            raise ShutdownFailed

    request = Odd()
    with api.TCPServer(LOOPBACK, None) as server, pytest.raises(ShutdownFailed):
        server.shutdown_request(request)
    assert request.calls == []


def test_base_server_shuts_a_request_by_closing_it(api: Any) -> None:
    trace = Trace()
    traced(api.BaseServer, trace)("nowhere", None).shutdown_request(object())
    assert trace.names == ["shutdown_request", "close_request"]


def test_client_sees_the_end_of_writing_though_a_copy_is_open(api: Any) -> None:
    copies: list[socket.socket] = []
    with api.TCPServer(LOOPBACK, lambda request, *_: copies.append(request.dup())) as server:
        assert ask_once(server) == b""
        copies[0].close()
