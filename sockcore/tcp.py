"""TCPServer and UnixStreamServer. Source: stdlib socketserver."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from sockcore.base import BaseServer
from sockcore.limits import Limits
from sockcore.observe import ObservedSocket
from sockcore.stream_observer import StreamObserver

if TYPE_CHECKING:
    from ssl import SSLContext

    from sockcore.unix_path import UnixPath

__all__ = ["TCPServer"]

log = logging.getLogger("sockcore")

# The C halves of socket.accept() and of two properties that make an enum member at each look.
_accept = socket.SocketType._accept  # type: ignore[attr-defined]
_family = socket.SocketType.family.__get__
_type = socket.SocketType.type.__get__


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
    #: Of AF_INET6: whether IPv4 clients are served too. None: as the system has it.
    dual_stack: bool | None = None
    #: Of AF_UNIX: remove what an earlier one of ours left at the path when it was killed, and the
    #: path at the end. A file `<path>.lock` beside it shows who lives.
    reclaim_path = False
    #: Of AF_UNIX: the permissions of the path. None: what the umask leaves of all.
    path_mode: int | None = None
    #: Looked at when a connection is accepted; hands are shaken where it is answered.
    ssl_context: SSLContext | None = None  # made by sockcore.tls.server_context(), say
    handshake_timeout: float | None = 5.0  # seconds for all of it

    _observer: StreamObserver | None
    _path: UnixPath | None = None  # what is reclaimed

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
        if self.dual_stack is not None and self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self.dual_stack)
        self._bind()
        self.server_address = self.socket.getsockname()

    def _bind(self) -> None:
        if self.address_family != getattr(socket, "AF_UNIX", None):
            self.socket.bind(self.server_address)
            return
        if self.reclaim_path:
            from sockcore.unix_path import UnixPath  # not everywhere

            self._path = UnixPath.claim(self.server_address)
        self.socket.bind(self.server_address)
        if self._path is not None:
            self._path.bound()
        if self.path_mode is not None and os.fsencode(self.server_address)[:1] not in (b"", b"\0"):
            os.chmod(self.server_address, self.path_mode)

    def _obey(self, limits: Limits) -> None:
        """What the server itself has to see to. Thread: any, also while serving."""
        self.handshake_timeout = limits.handshake_timeout_s

    def server_activate(self) -> None:
        self.socket.listen(self.request_queue_size)

    def server_close(self) -> None:
        if self._path is not None:
            self._path.leave()
        self.socket.close()
        if self._path is not None:
            self._path.release()

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[Any, Any]:
        """Accept one connection.

        Raises: OSError when there is none to process: gone, or over the limit.
        """
        listener, observer = self.socket, self._observer
        # Twice as fast as accept() where it is the stdlib's own; not for TLS by hand, say.
        if type(listener) is not socket.socket or listener.gettimeout():
            request, client_address = self._accept_by_method(listener)
            if observer is not None and type(request) in (ObservedSocket, socket.socket):
                request = observer.accepted(request, client_address)
        else:
            fd, client_address = _accept(listener)
            if observer is None:
                request = socket.socket(_family(listener), _type(listener), 0, fd)
            else:
                request = ObservedSocket(_family(listener), _type(listener), 0, fd)
                observer.accepted(request, client_address)
        if self.ssl_context is not None:
            request = self._wrapped(request, client_address)
        return request, client_address

    def _never_blocking(self) -> contextlib.AbstractContextManager[object]:
        return self._unblocked()

    @contextlib.contextmanager
    def _unblocked(self) -> Iterator[None]:
        timeout = self.socket.gettimeout()
        self.socket.setblocking(False)
        try:
            yield
        finally:
            if self.socket.fileno() >= 0:
                self.socket.settimeout(timeout)

    def shutdown_request(self, request: Any) -> None:
        if self.ssl_context is not None:
            from sockcore import tls

            tls.say_goodbye(request)
        # The explicit end of writing: close() alone does not tell the peer while a copy of the
        # descriptor is open elsewhere.
        try:  # noqa: SIM105  (a third of its cost)
            request.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the peer is gone already
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        request.close()

    # -- TLS: sockcore.tls is imported only here, since not every Python has ssl ------------

    def _accept_by_method(self, listener: socket.socket) -> tuple[socket.socket, Any]:
        ssl = sys.modules.get("ssl")
        if ssl is None or type(listener) is not ssl.SSLSocket:
            return listener.accept()
        # Wrapped by hand. Its accept() would shake hands here and now, and one silent client
        # would keep all others waiting: its context is used as if it had been given to us.
        self.ssl_context = listener.context  # type: ignore[attr-defined]
        return socket.socket.accept(listener)

    def _wrapped(self, request: socket.socket, client_address: Any) -> socket.socket:
        from sockcore import tls

        assert self.ssl_context is not None
        try:
            return tls.wrap(self.ssl_context, request)
        except OSError as error:  # the client is gone already
            self._handshake_failed(request, client_address, error)
            request.close()
            raise
        except BaseException:
            request.close()
            raise

    def _shaken(self, request: Any, client_address: Any) -> bool:
        """Thread: the one that answers. Returns: False when the handshake failed."""
        from sockcore import tls

        try:
            tls.handshake(request, self.handshake_timeout)
        except (OSError, ValueError) as error:
            self._handshake_failed(request, client_address, error)
            return False
        return True

    def _handshake_failed(self, request: Any, client_address: Any, error: Exception) -> None:
        """No fault of ours, so no traceback: anybody may say anything to a port."""
        from sockcore import tls

        why = tls.handshake_failure(error)
        log.debug("%s: %s: %s", self.server_address, client_address, why)
        if self._observer is not None:
            self._observer.handshake_failed(request, why)


if hasattr(socket, "AF_UNIX"):

    class UnixStreamServer(TCPServer):
        """A server of local stream sockets. Source: `socketserver.UnixStreamServer`."""

        address_family = socket.AF_UNIX

    __all__ += ["UnixStreamServer"]
