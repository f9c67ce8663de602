"""Binding and listening: socket options, the backlog, addresses in use, descriptors."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.descriptors import count as descriptors_open
from tests.sockcore.serving import Trace, traced

LOOPBACK = ("127.0.0.1", 0)


class RecordingSocket:
    """Stands for a listener and notes the calls made while it is bound."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def setsockopt(self, *args: int) -> None:
        self.calls.append(("setsockopt", *args))

    def bind(self, address: object) -> None:
        self.calls.append(("bind", address))

    def getsockname(self) -> str:
        self.calls.append(("getsockname",))
        return "bound"

    def listen(self, *backlog: int) -> None:
        self.calls.append(("listen", *backlog))

    def close(self) -> None:
        self.calls.append(("close",))


def _with_recording_socket(api: Any) -> tuple[Any, RecordingSocket]:
    server = api.TCPServer(LOOPBACK, None, bind_and_activate=False)
    server.socket.close()
    server.socket = recording = RecordingSocket()
    return server, recording


def test_binding_sets_options_before_the_address(api: Any) -> None:
    server, recording = _with_recording_socket(api)
    server.allow_reuse_address = 1
    server.allow_reuse_port = True
    server.server_bind()
    assert recording.calls == [
        ("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
        ("setsockopt", socket.SOL_SOCKET, socket.SO_REUSEPORT, 1),
        ("bind", LOOPBACK),
        ("getsockname",),
    ]
    assert server.server_address == "bound"


def test_binding_sets_no_option_unasked(api: Any) -> None:
    server, recording = _with_recording_socket(api)
    server.server_bind()
    assert recording.calls == [("bind", LOOPBACK), ("getsockname",)]


def test_binding_does_without_options_the_platform_lacks(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "SO_REUSEADDR")
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    server, recording = _with_recording_socket(api)
    server.allow_reuse_address = server.allow_reuse_port = True
    server.server_bind()
    assert recording.calls == [("bind", LOOPBACK), ("getsockname",)]


def test_activation_listens_with_the_queue_size_of_the_instance(api: Any) -> None:
    server, recording = _with_recording_socket(api)
    server.request_queue_size = 7
    server.server_activate()
    server.server_close()
    assert recording.calls == [("listen", 7), ("close",)]


def test_flag_patched_on_the_class_takes_effect(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.TCPServer, "allow_reuse_address", True)
    with api.ThreadingTCPServer(LOOPBACK, None) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1


def test_ports_can_be_shared_when_both_servers_ask(api: Any) -> None:
    class Server(api.UDPServer):
        allow_reuse_port = True

    with Server(LOOPBACK, None) as first, Server(first.server_address, None) as second:
        assert second.server_address == first.server_address


@pytest.mark.parametrize("name", ["TCPServer", "UDPServer"])
def test_address_in_use_closes_the_socket_and_passes_on(api: Any, name: str) -> None:
    trace = Trace()
    server_class = getattr(api, name)
    with (
        server_class(LOOPBACK, None) as first,
        pytest.raises(OSError, match="in use"),
    ):
        traced(server_class, trace)(first.server_address, None)
    assert trace.names == ["server_bind", "server_close"]


def test_failed_bind_does_not_leak_descriptors(api: Any) -> None:
    before = descriptors_open()
    for _ in range(1024):
        with pytest.raises(OverflowError):
            api.TCPServer(("127.0.0.1", -1), None)
    assert descriptors_open() == before
