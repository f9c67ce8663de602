"""UDPServer and DatagramRequestHandler: one shared socket, one answer for each datagram."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import io
import socket
from typing import Any

import pytest

from tests.sockcore.serving import Trace, datagrams, running, traced

LOOPBACK = ("127.0.0.1", 0)


def _echo(api: Any) -> Any:
    class Echo(api.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    return Echo


@pytest.mark.parametrize("name", ["UDPServer", "ThreadingUDPServer"])
@pytest.mark.parametrize("data", [b"ping", b"", b"\0" * 8192], ids=len)
def test_every_datagram_is_answered(api: Any, name: str, data: bytes) -> None:
    with (
        running(getattr(api, name)(LOOPBACK, _echo(api))) as server,
        datagrams(LOOPBACK) as client,
    ):
        for _ in range(3):
            client.sendto(data, server.server_address)
            assert client.recvfrom(65536) == (data, server.server_address)


def test_request_is_the_data_and_the_shared_socket(api: Any) -> None:
    given: list[Any] = []
    with (
        api.UDPServer(LOOPBACK, lambda *args: given.append(args)) as server,
        datagrams(LOOPBACK) as client,
    ):
        client.sendto(b"data", server.server_address)
        server.handle_request()
        ((request, address, owner),) = given
        assert type(request) is tuple
        assert request[0] == b"data"
        assert request[1] is server.socket
        assert address == client.getsockname()
        assert owner is server


def test_ending_a_request_leaves_the_shared_socket_open(api: Any) -> None:
    trace = Trace()
    with traced(api.UDPServer, trace)(LOOPBACK, None) as server:
        trace.names.clear()
        server.shutdown_request((b"data", server.socket))
        assert trace.names == ["shutdown_request", "close_request"]
        assert server.socket.fileno() >= 0
        assert server.close_request((b"data", server.socket)) is None


def test_refused_datagram_is_not_answered_and_serving_goes_on(api: Any) -> None:
    with running(api.UDPServer(LOOPBACK, _echo(api))) as server, datagrams(LOOPBACK) as client:
        server.verify_request = lambda request, address: request[0] != b"refuse"
        client.sendto(b"refuse", server.server_address)
        client.sendto(b"answer", server.server_address)
        assert client.recv(64) == b"answer"


def test_longer_datagram_loses_its_end(api: Any) -> None:
    with running(api.UDPServer(LOOPBACK, _echo(api))) as server, datagrams(LOOPBACK) as client:
        server.max_packet_size = 4
        client.sendto(b"123456789", server.server_address)
        assert client.recv(64) == b"1234"


def test_activation_of_a_datagram_server_does_nothing(api: Any) -> None:
    with api.UDPServer(LOOPBACK, None, bind_and_activate=False) as server:
        assert server.server_activate() is None
        assert server.socket.getsockname() == ("0.0.0.0", 0)


def test_handler_has_the_packet_in_files_of_memory(api: Any) -> None:
    seen: list[tuple[Any, ...]] = []

    class Noting(api.DatagramRequestHandler):
        def handle(self) -> None:
            seen.append((self.packet, self.socket, type(self.rfile), type(self.wfile)))
            assert self.rfile.getvalue() == b"data"
            assert self.wfile.getvalue() == b""

    with api.UDPServer(LOOPBACK, Noting) as server, datagrams(LOOPBACK) as client:
        client.sendto(b"data", server.server_address)
        server.handle_request()
        assert seen == [(b"data", server.socket, io.BytesIO, io.BytesIO)]


def test_silent_handler_answers_with_an_empty_datagram(api: Any) -> None:
    with (
        running(api.UDPServer(LOOPBACK, api.DatagramRequestHandler)) as server,
        datagrams(LOOPBACK) as client,
    ):
        client.sendto(b"hello?", server.server_address)
        assert client.recvfrom(64) == (b"", server.server_address)


@pytest.mark.parametrize("name", ["UDPServer", "ThreadingUDPServer"])
def test_partial_answer_goes_out_after_a_failure(
    api: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(api.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"half an ans")
            raise ZeroDivisionError

    with (
        running(getattr(api, name)(LOOPBACK, Failing)) as server,
        datagrams(LOOPBACK) as client,
    ):
        client.sendto(b"data", server.server_address)
        assert client.recv(64) == b"half an ans"
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_answers_go_to_whoever_asked(api: Any) -> None:
    with (
        running(api.ThreadingUDPServer(LOOPBACK, _echo(api))) as server,
        datagrams(LOOPBACK) as first,
        datagrams(LOOPBACK) as second,
    ):
        first.sendto(b"first", server.server_address)
        second.sendto(b"second", server.server_address)
        assert second.recv(64) == b"second"
        assert first.recv(64) == b"first"


def test_handle_request_expires_on_a_silent_socket(api: Any) -> None:
    with api.UDPServer(LOOPBACK, None) as server:
        server.timeout = 0
        server.handle_timeout = lambda: "expired"
        assert server.handle_request() == "expired"


def test_datagram_server_over_ipv6(api: Any) -> None:
    class Server(api.UDPServer):
        address_family = socket.AF_INET6

    with (
        running(Server(("::1", 0), _echo(api))) as server,
        datagrams(("::1", 0), socket.AF_INET6) as client,
    ):
        client.sendto(b"six", server.server_address)
        assert client.recv(64) == b"six"
