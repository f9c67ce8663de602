"""From the constructor to a listening socket: order, flags, failures, the context manager."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import socket
import threading
from typing import Any, NoReturn

import pytest

from tests.sockcore.serving import Trace, ask, connect, running, traced

LOOPBACK = ("127.0.0.1", 0)


class BindFailed(Exception):
    """What a test's server_bind raises."""


def test_constructor_binds_then_activates(api: Any) -> None:
    trace = Trace()
    with traced(api.TCPServer, trace)(LOOPBACK, None):
        assert trace.names == ["server_bind", "server_activate"]
    assert trace.names == ["server_bind", "server_activate", "server_close"]


def test_hooks_of_construction_find_the_attributes_set(api: Any) -> None:
    seen: list[tuple[object, ...]] = []

    class Server(api.TCPServer):
        def server_bind(self) -> None:
            seen.append((self.server_address, self.RequestHandlerClass, type(self.socket)))
            super().server_bind()
            seen.append((self.server_address,))

    with Server(LOOPBACK, len) as server:
        assert seen == [(LOOPBACK, len, socket.socket), (server.socket.getsockname(),)]


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_stream_server_listens_where_it_says(api: Any, name: str) -> None:
    with getattr(api, name)(LOOPBACK, api.BaseRequestHandler) as server:
        assert (server.socket.family, server.socket.type) == (
            socket.AF_INET,
            socket.SOCK_STREAM,
        )
        assert server.server_address == server.socket.getsockname()
        assert server.server_address[1] > 0
        assert server.fileno() == server.socket.fileno()
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        connect(server.server_address).close()


@pytest.mark.parametrize("name", ["UDPServer", "ThreadingUDPServer"])
def test_datagram_server_is_bound_and_does_not_listen(api: Any, name: str) -> None:
    with getattr(api, name)(LOOPBACK, api.BaseRequestHandler) as server:
        assert server.socket.type == socket.SOCK_DGRAM
        assert server.server_address == server.socket.getsockname()


def test_address_is_a_four_tuple_on_ipv6(api: Any) -> None:
    class Server(api.TCPServer):
        address_family = socket.AF_INET6

    with Server(("::1", 0), None) as server:
        assert server.server_address == ("::1", server.server_address[1], 0, 0)


def test_unbound_server_keeps_the_address_as_given(api: Any) -> None:
    with api.TCPServer(("127.0.0.1", 0), None, False) as server:
        assert server.server_address == LOOPBACK
        assert server.socket.getsockname() == ("0.0.0.0", 0)
        server.server_bind()
        server.server_activate()
        connect(server.server_address).close()


def test_context_manager_gives_the_server_and_closes_it(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, None)
    with server as entered:
        assert entered is server
    assert server.socket.fileno() == -1


def test_context_manager_lets_exceptions_through(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, None)
    with pytest.raises(BindFailed), server:
        raise BindFailed
    assert server.socket.fileno() == -1


@pytest.mark.parametrize("hook", ["server_bind", "server_activate"])
@pytest.mark.parametrize("failure", [BindFailed, KeyboardInterrupt])
def test_interrupted_construction_closes_and_passes_on(
    api: Any, hook: str, failure: type[BaseException]
) -> None:
    closed: list[socket.socket] = []

    def fail(self: object) -> NoReturn:
        raise failure

    class Server(api.TCPServer):
        def server_close(self) -> None:
            super().server_close()
            closed.append(self.socket)

    setattr(Server, hook, fail)
    with pytest.raises(failure):
        Server(LOOPBACK, None)
    assert [listener.fileno() for listener in closed] == [-1]


def test_base_server_alone_only_keeps_what_it_is_given(api: Any) -> None:
    server = api.BaseServer("anywhere", len)
    assert server.server_address == "anywhere"
    assert server.RequestHandlerClass is len
    assert isinstance(server._BaseServer__is_shut_down, threading.Event)
    assert not server._BaseServer__is_shut_down.is_set()
    assert server._BaseServer__shutdown_request is False
    assert not hasattr(server, "socket")


def test_base_server_hooks_do_nothing_until_overridden(api: Any) -> None:
    with api.BaseServer("anywhere", None) as server:
        assert server.server_activate() is None
        assert server.service_actions() is None
        assert server.handle_timeout() is None
        assert server.close_request(object()) is None
        assert server.verify_request(object(), "client") is True


def test_bases_are_called_by_name_and_not_in_order_of_resolution(api: Any) -> None:
    class Stranger(api.BaseServer):
        def __init__(self, *args: object) -> None:
            raise AssertionError("a cooperative call came here")

    class Server(api.TCPServer, Stranger):
        pass

    with Server(LOOPBACK, None) as server:
        assert server.server_address[1] > 0


def test_diamond_over_two_families_takes_the_first_ones(api: Any, socket_dir: Any) -> None:
    class WebServer(api.TCPServer):
        allow_reuse_address = 1

        def server_bind(self) -> None:
            api.TCPServer.server_bind(self)
            self.server_name = "localhost"

    class UnixWebServer(api.UnixStreamServer, WebServer):
        pass

    with UnixWebServer(str(socket_dir / "web"), None) as server:
        assert server.server_address == str(socket_dir / "web")
        assert server.server_name == "localhost"


def test_mixin_with_a_constructor_of_its_own(api: Any) -> None:
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    class Server(api.ThreadingMixIn, api.TCPServer, Named):
        def __init__(self, name: str) -> None:
            Named.__init__(self, name)
            api.TCPServer.__init__(self, LOOPBACK, None)

    with Server("front") as server:
        assert server.name == "front"


def test_server_may_connect_instead_of_listening(api: Any) -> None:
    """The way idlelib's RPCServer turns a server into the one client of another process."""

    class Greeting(api.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"connected from " + self.client_address[0].encode())

    class Dialling(api.TCPServer):
        def server_bind(self) -> None:
            pass

        def server_activate(self) -> None:
            self.socket.connect(self.server_address)

        def get_request(self) -> tuple[Any, Any]:
            return self.socket, self.server_address

    with (
        socket.create_server(LOOPBACK) as listener,
        Dialling(listener.getsockname(), Greeting) as server,
    ):
        peer, _ = listener.accept()
        with peer:
            server._handle_request_noblock()
            assert peer.recv(64) == b"connected from 127.0.0.1"


def test_listener_may_be_replaced_before_serving(api: Any) -> None:
    class Echo(api.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    server = api.TCPServer(LOOPBACK, Echo)
    server.socket.close()
    server.socket = socket.create_server(LOOPBACK)
    with running(server):
        assert ask(server.socket.getsockname(), b"ping") == b"ping"
