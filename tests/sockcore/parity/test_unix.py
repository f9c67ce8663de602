"""Servers on local sockets: paths, abstract names, peers without a name."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.sockcore.serving import ask, datagrams, running, wait_until

STREAMS = ["UnixStreamServer", "ThreadingUnixStreamServer"]
DATAGRAMS = ["UnixDatagramServer", "ThreadingUnixDatagramServer"]


def _echo(api: Any, base: str) -> Any:
    class Echo(getattr(api, base)):  # type: ignore[misc]
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    return Echo


@pytest.mark.parametrize("name", STREAMS)
def test_stream_server_answers_on_a_path(api: Any, name: str, socket_dir: Path) -> None:
    path = str(socket_dir / "server")
    with running(getattr(api, name)(path, _echo(api, "StreamRequestHandler"))) as server:
        assert server.server_address == path
        assert server.socket.family == socket.AF_UNIX
        assert ask(path, b"local" * 40_000, socket.AF_UNIX) == b"local" * 40_000


@pytest.mark.parametrize("name", DATAGRAMS)
def test_datagram_server_answers_on_a_path(api: Any, name: str, socket_dir: Path) -> None:
    path = str(socket_dir / "server")
    with running(getattr(api, name)(path, _echo(api, "DatagramRequestHandler"))) as server:
        assert server.server_address == path
        with datagrams(str(socket_dir / "client"), socket.AF_UNIX) as client:
            client.sendto(b"local", path)
            assert client.recvfrom(64) == (b"local", path)


@pytest.mark.parametrize("name", STREAMS + DATAGRAMS)
def test_bytes_path_comes_back_as_text(api: Any, name: str, socket_dir: Path) -> None:
    path = socket_dir / "server"
    with getattr(api, name)(os.fsencode(path), None) as server:
        assert server.server_address == str(path)


@pytest.mark.parametrize("given", ["\0sockcore-parity-", b"\0sockcore-parity-"], ids=repr)
@pytest.mark.parametrize("name", STREAMS)
def test_abstract_name_comes_back_as_bytes(api: Any, name: str, given: str | bytes) -> None:
    own = str(os.getpid())
    address = given + own if isinstance(given, str) else given + own.encode()
    with running(getattr(api, name)(address, _echo(api, "StreamRequestHandler"))) as server:
        assert server.server_address == b"\0sockcore-parity-" + own.encode()
        assert ask(server.server_address, b"abstract", socket.AF_UNIX) == b"abstract"


@pytest.mark.parametrize("name", STREAMS + DATAGRAMS)
def test_closing_leaves_the_path_to_its_owner(api: Any, name: str, socket_dir: Path) -> None:
    path = socket_dir / "server"
    with getattr(api, name)(str(path), None):
        assert path.is_socket()
    assert path.is_socket()
    with pytest.raises(OSError, match="in use"):
        getattr(api, name)(str(path), None)
    path.unlink()
    getattr(api, name)(str(path), None).server_close()


def test_stream_peer_without_a_name_has_an_empty_address(api: Any, socket_dir: Path) -> None:
    seen: list[object] = []

    class Noting(api.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(self.client_address)

    path = str(socket_dir / "server")
    with running(api.UnixStreamServer(path, Noting)):
        ask(path, family=socket.AF_UNIX)
    assert seen == [""]


@pytest.mark.parametrize("name", DATAGRAMS)
def test_datagram_peer_without_a_name_cannot_be_answered(
    api: Any, name: str, socket_dir: Path
) -> None:
    """The address is None, the answer a TypeError, and the error is told of like any other."""
    told: list[object] = []
    path = str(socket_dir / "server")
    with running(getattr(api, name)(path, _echo(api, "DatagramRequestHandler"))) as server:
        server.handle_error = lambda request, address: told.append((request[0], address))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless:
            nameless.sendto(b"no name", path)
        wait_until(lambda: told, "the error")
    assert told == [(b"no name", None)]
