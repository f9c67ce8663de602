"""UDPServer and UnixDatagramServer. Source: stdlib socketserver."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from sockcore.datagram_observer import DatagramObserver
from sockcore.tcp import TCPServer

__all__ = ["UDPServer"]

#: Datagrams handled at most before the loop looks around again, and how often it does not even
#: try for a second one after there was none.
_BATCH = 32
_SKIPS = 8

_DONT_WAIT = getattr(socket, "MSG_DONTWAIT", 0)


class UDPServer(TCPServer):
    """A server of datagrams: `request` is `(data, socket)`. Source: `socketserver.UDPServer`."""

    allow_reuse_address = False
    allow_reuse_port = False
    socket_type = socket.SOCK_DGRAM
    max_packet_size = 8192  # bytes; what is longer loses its end

    _receive_flags = 0
    _received = False  # by get_request() of this class, just now
    _skips = 0

    _observer: DatagramObserver | None  # type: ignore[assignment]  # as a datagram server is no TCP one

    def get_request(self) -> tuple[Any, Any]:
        sock = self.socket
        most = self.max_packet_size
        if self._observer is None:
            data, client_address = sock.recvfrom(most, self._receive_flags)
            self._received = True
            return (data, sock), client_address
        # A byte more shows that there is more; the handler gets what the stdlib gives it.
        data, client_address = sock.recvfrom(most + 1, self._receive_flags)
        self._received = True
        request = (data[:most], sock)
        self._observer.received(request, client_address, truncated=len(data) > most)
        return request, client_address

    def _handle_ready(self) -> None:
        """Handle what has come, without asking for each datagram whether it has."""
        self._received = False
        self._handle_request_noblock()
        # A get_request() that is not ours waits, and so does Python where there is a timeout.
        if not self._received or self.socket.gettimeout():
            return
        if self._skips or not _DONT_WAIT:  # there was no second one lately
            self._skips -= 1
            return
        flags, self._receive_flags = self._receive_flags, _DONT_WAIT
        try:
            for handled in range(_BATCH):
                if not flags:  # in the serving thread, no thread of a pool
                    self.service_actions()
                    if not self._accepts:
                        return
                self._received = False
                if self._goes_on:
                    self._handle_request_noblock()
                if not self._received:  # or by a get_request() that might wait
                    self._skips = 0 if handled else _SKIPS
                    return
        finally:
            self._receive_flags = flags

    def _never_blocking(self) -> contextlib.AbstractContextManager[object]:
        # Not the socket itself: answers leave by it, and may have to wait. It stays so, since a
        # thread may be about to receive when the loop is out.
        self._receive_flags = _DONT_WAIT
        return contextlib.nullcontext()

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
