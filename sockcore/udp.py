"""UDPServer and UnixDatagramServer. Source: stdlib socketserver."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from sockcore.datagram_observer import DatagramObserver
from sockcore.tcp import TCPServer

__all__ = ["UDPServer"]


class UDPServer(TCPServer):
    """A server of datagrams: `request` is `(data, socket)`. Source: `socketserver.UDPServer`."""

    allow_reuse_address = False
    allow_reuse_port = False
    socket_type = socket.SOCK_DGRAM
    max_packet_size = 8192  # bytes; what is longer loses its end

    _receive_flags = 0

    _observer: DatagramObserver | None  # type: ignore[assignment]  # as a datagram server is no TCP one

    def get_request(self) -> tuple[Any, Any]:
        data, client_address = self.socket.recvfrom(self.max_packet_size, self._receive_flags)
        request = (data, self.socket)
        if self._observer is not None:
            self._observer.received(request, client_address)
        return request, client_address

    @contextlib.contextmanager
    def _never_blocking(self) -> Iterator[None]:
        # Not the socket itself: answers leave by it, and may have to wait.
        self._receive_flags = socket.MSG_DONTWAIT
        try:
            yield
        finally:
            self._receive_flags = 0

    def server_activate(self) -> None:
        """Nothing to listen for."""

    def shutdown_request(self, request: Any) -> None:
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """The socket is shared and stays open."""
        if self._observer is not None:
            self._observer.answered(request)


if hasattr(socket, "AF_UNIX"):

    class UnixDatagramServer(UDPServer):
        """A server of local datagrams. Source: `socketserver.UnixDatagramServer`."""

        address_family = socket.AF_UNIX

    __all__ += ["UnixDatagramServer"]
