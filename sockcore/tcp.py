"""TCPServer and UnixStreamServer. Source: stdlib socketserver."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

from sockcore.base import BaseServer
from sockcore.stream_observer import StreamObserver

__all__ = ["TCPServer"]


class TCPServer(BaseServer):
    """A server of stream sockets. Source: `socketserver.TCPServer`.

    The class attributes are read when used, so a subclass, an instance made with
    `bind_and_activate=False` or a patched class all take effect.
    """

    address_family = socket.AF_INET
    socket_type = socket.SOCK_STREAM
    #: The kernel caps it at somaxconn. The stdlib's 5 lets bursts wait for seconds; SOMAXCONN is
    #: its default from 3.15 on.
    request_queue_size = getattr(socket, "SOMAXCONN", 5)
    allow_reuse_address = False
    allow_reuse_port = False

    _observer: StreamObserver | None

    def __init__(
        self,
        server_address: Any,
        RequestHandlerClass: Callable[[Any, Any, Any], Any],
        bind_and_activate: bool = True,
    ) -> None:
        """Raises: OSError from bind or listen, with the socket closed."""
        BaseServer.__init__(self, server_address, RequestHandlerClass)
        self.socket = socket.socket(self.address_family, self.socket_type)
        if bind_and_activate:
            try:
                self.server_bind()
                self.server_activate()
            except BaseException:
                self.server_close()
                raise

    def server_bind(self) -> None:
        """Bind the socket; `server_address` becomes the bound one."""
        if self.allow_reuse_address and hasattr(socket, "SO_REUSEADDR"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Linux refuses SO_REUSEPORT on local sockets (gh-128916).
        if (
            self.allow_reuse_port
            and hasattr(socket, "SO_REUSEPORT")
            and self.address_family in (socket.AF_INET, socket.AF_INET6)
        ):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def server_activate(self) -> None:
        self.socket.listen(self.request_queue_size)

    def server_close(self) -> None:
        self.socket.close()

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[Any, Any]:
        """Accept one connection.

        Raises: OSError when there is none to process: gone, or over the limit.
        """
        request, client_address = self.socket.accept()
        if self._observer is not None and type(request) is socket.socket:
            request = self._observer.accepted(request, client_address)
        return request, client_address

    def shutdown_request(self, request: Any) -> None:
        # The explicit end of writing: close() alone does not tell the peer while a copy of the
        # descriptor is open elsewhere.
        with contextlib.suppress(OSError):
            request.shutdown(socket.SHUT_WR)
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        request.close()


if hasattr(socket, "AF_UNIX"):

    class UnixStreamServer(TCPServer):
        """A server of local stream sockets. Source: `socketserver.UnixStreamServer`."""

        address_family = socket.AF_UNIX

    __all__ += ["UnixStreamServer"]
