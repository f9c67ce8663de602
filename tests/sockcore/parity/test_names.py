"""Names, bases, class attributes and signatures: what a program can see without a server."""

from __future__ import annotations

import inspect
import io
import os
import selectors
import socket
import threading
from typing import Any

import pytest

#: Each public class with the public classes among its ancestors, in the order of resolution.
ANCESTORS = {
    "BaseServer": (),
    "TCPServer": ("BaseServer",),
    "UDPServer": ("TCPServer", "BaseServer"),
    "UnixStreamServer": ("TCPServer", "BaseServer"),
    "UnixDatagramServer": ("UDPServer", "TCPServer", "BaseServer"),
    "ThreadingMixIn": (),
    "ThreadingTCPServer": ("ThreadingMixIn", "TCPServer", "BaseServer"),
    "ThreadingUDPServer": ("ThreadingMixIn", "UDPServer", "TCPServer", "BaseServer"),
    "ThreadingUnixStreamServer": (
        "ThreadingMixIn",
        "UnixStreamServer",
        "TCPServer",
        "BaseServer",
    ),
    "ThreadingUnixDatagramServer": (
        "ThreadingMixIn",
        "UnixDatagramServer",
        "UDPServer",
        "TCPServer",
        "BaseServer",
    ),
    "BaseRequestHandler": (),
    "StreamRequestHandler": ("BaseRequestHandler",),
    "DatagramRequestHandler": ("BaseRequestHandler",),
}

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "BaseServer": {"timeout": None},
    "TCPServer": {
        "timeout": None,
        "address_family": socket.AF_INET,
        "socket_type": socket.SOCK_STREAM,
        "allow_reuse_address": False,
        "allow_reuse_port": False,
    },
    "UDPServer": {
        "timeout": None,
        "address_family": socket.AF_INET,
        "socket_type": socket.SOCK_DGRAM,
        "max_packet_size": 8192,
        "allow_reuse_address": False,
        "allow_reuse_port": False,
    },
    "UnixStreamServer": {
        "address_family": socket.AF_UNIX,
        "socket_type": socket.SOCK_STREAM,
    },
    "UnixDatagramServer": {
        "address_family": socket.AF_UNIX,
        "socket_type": socket.SOCK_DGRAM,
        "max_packet_size": 8192,
    },
    "ThreadingMixIn": {"daemon_threads": False, "block_on_close": True},
    "StreamRequestHandler": {
        "rbufsize": -1,
        "wbufsize": 0,
        "timeout": None,
        "disable_nagle_algorithm": False,
    },
}

_REQUEST = "(self, request, client_address)"
_INIT = "(self, server_address, RequestHandlerClass, bind_and_activate=True)"

SIGNATURES = {
    "BaseServer": {
        "__init__": "(self, server_address, RequestHandlerClass)",
        "__enter__": "(self)",
        "__exit__": "(self, *args)",
        "server_activate": "(self)",
        "serve_forever": "(self, poll_interval=0.5)",
        "shutdown": "(self)",
        "service_actions": "(self)",
        "handle_request": "(self)",
        "_handle_request_noblock": "(self)",
        "handle_timeout": "(self)",
        "verify_request": _REQUEST,
        "process_request": _REQUEST,
        "server_close": "(self)",
        "finish_request": _REQUEST,
        "shutdown_request": "(self, request)",
        "close_request": "(self, request)",
        "handle_error": _REQUEST,
    },
    "TCPServer": {
        "__init__": _INIT,
        "server_bind": "(self)",
        "server_activate": "(self)",
        "server_close": "(self)",
        "fileno": "(self)",
        "get_request": "(self)",
        "shutdown_request": "(self, request)",
        "close_request": "(self, request)",
    },
    "UDPServer": {
        "__init__": _INIT,
        "server_activate": "(self)",
        "get_request": "(self)",
        "shutdown_request": "(self, request)",
        "close_request": "(self, request)",
    },
    "ThreadingMixIn": {
        "process_request_thread": _REQUEST,
        "process_request": _REQUEST,
        "server_close": "(self)",
    },
    "BaseRequestHandler": {
        "__init__": "(self, request, client_address, server)",
        "setup": "(self)",
        "handle": "(self)",
        "finish": "(self)",
    },
    "_SocketWriter": {
        "__init__": "(self, sock)",
        "writable": "(self)",
        "write": "(self, b)",
        "fileno": "(self)",
    },
}


def _rows(table: dict[str, dict[str, Any]]) -> list[tuple[str, str, Any]]:
    return [(name, key, value) for name, row in table.items() for key, value in row.items()]


@pytest.mark.parametrize("name", ANCESTORS)
def test_public_class_is_exported(api: Any, name: str) -> None:
    assert name in api.__all__
    assert getattr(api, name).__name__ == name


@pytest.mark.parametrize(("name", "ancestors"), ANCESTORS.items())
def test_ancestors_stand_in_the_known_order(
    api: Any, name: str, ancestors: tuple[str, ...]
) -> None:
    public = {getattr(api, known): known for known in ANCESTORS}
    found = [public[base] for base in getattr(api, name).__mro__[1:] if base in public]
    assert tuple(found) == ancestors


@pytest.mark.parametrize(("name", "attribute", "default"), _rows(ATTRIBUTES))
def test_class_attribute_has_its_default(
    api: Any, name: str, attribute: str, default: object
) -> None:
    found = getattr(getattr(api, name), attribute)
    assert (found, type(found)) == (default, type(default))


def test_queue_size_is_a_positive_number(api: Any) -> None:
    assert api.TCPServer.request_queue_size >= 5


@pytest.mark.parametrize(("name", "method", "expected"), _rows(SIGNATURES))
def test_method_has_its_signature(api: Any, name: str, method: str, expected: str) -> None:
    signature = inspect.signature(getattr(getattr(api, name), method))
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(plain)) == expected


@pytest.mark.parametrize("name", ["fileno", "server_bind", "get_request", "socket"])
def test_base_server_has_no_socket_of_its_own(api: Any, name: str) -> None:
    assert not hasattr(api.BaseServer, name)


def test_threading_mixin_has_no_constructor(api: Any) -> None:
    assert api.ThreadingMixIn.__init__ is object.__init__
    assert not issubclass(api.ThreadingMixIn, api.BaseServer)


def test_datagram_servers_do_not_follow_a_patch_of_the_tcp_flags(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.TCPServer, "allow_reuse_address", True)
    monkeypatch.setattr(api.TCPServer, "allow_reuse_port", True)
    assert api.UnixStreamServer.allow_reuse_address is True
    assert api.ThreadingTCPServer.allow_reuse_port is True
    assert api.UDPServer.allow_reuse_address is False
    assert api.UDPServer.allow_reuse_port is False


def test_socket_writer_is_a_buffered_stream(api: Any) -> None:
    assert issubclass(api._SocketWriter, io.BufferedIOBase)


def test_modules_that_programs_patch_are_reachable(api: Any) -> None:
    assert api.socket is socket
    assert api.threading is threading
    assert api.selectors is selectors
    assert api.os is os
