"""The classes that answer: setup, handle, finish. Source: stdlib socketserver."""

from __future__ import annotations

import socket
from io import BufferedIOBase, BufferedReader, BytesIO
from typing import Any, cast

__all__ = ["BaseRequestHandler", "DatagramRequestHandler", "StreamRequestHandler"]


class BaseRequestHandler:
    """Answers one request, by being made. Source: `socketserver.BaseRequestHandler`.

    `request` is the connection's socket, or `(data, socket)` of a datagram. `finish` runs even
    when `handle` raises, but not when `setup` does.
    """

    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        self.request = request
        self.client_address = client_address
        self.server = server
        self.setup()
        try:
            self.handle()
        finally:
            self.finish()

    def setup(self) -> None:
        pass

    def handle(self) -> None:
        pass

    def finish(self) -> None:
        pass


class StreamRequestHandler(BaseRequestHandler):
    """`rfile` and `wfile` over the connection. Source: `socketserver.StreamRequestHandler`."""

    rbufsize = -1  # reads are buffered
    wbufsize = 0  # writes go out at once, whole
    timeout: float | None = None  # seconds a read or write may take
    disable_nagle_algorithm = False

    connection: socket.socket
    rfile: BufferedReader
    wfile: BufferedIOBase

    def setup(self) -> None:
        self.connection = self.request
        if self.timeout is not None:
            self.connection.settimeout(self.timeout)
        if self.disable_nagle_algorithm:
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        makefile = getattr(type(self.connection), "makefile", None)
        if self.rbufsize == -1 and makefile is socket.socket.makefile:
            self.rfile = _reader(self.connection)
        else:
            self.rfile = cast(BufferedReader, self.connection.makefile("rb", self.rbufsize))
        if self.wbufsize == 0:
            self.wfile = _SocketWriter(self.connection)
        else:
            self.wfile = cast(BufferedIOBase, self.connection.makefile("wb", self.wbufsize))

    def finish(self) -> None:
        if not self.wfile.closed:
            # The peer may be gone already; what it did not take is lost either way.
            try:  # noqa: SIM105  (a third of its cost)
                self.wfile.flush()
            except OSError:
                pass
        self.wfile.close()
        self.rfile.close()


def _reader(connection: socket.socket) -> BufferedReader:
    """connection.makefile("rb"), without the cost of its choices."""
    raw = _SocketReader(connection, "r")
    connection._io_refs += 1  # type: ignore[attr-defined]
    return BufferedReader(raw)


class _SocketReader(socket.SocketIO):
    """A SocketIO that asks what keeps it from reading only when something does."""

    def readinto(self, b: Any) -> int | None:
        sock: Any = self._sock  # type: ignore[attr-defined]  # None once it is closed
        if sock is None or self._timeout_occurred:  # type: ignore[has-type]
            return super().readinto(b)  # which says so
        try:
            received: int = sock.recv_into(b)
        except TimeoutError:
            self._timeout_occurred = True
            raise
        except BlockingIOError:
            return None
        return received


class _SocketWriter(BufferedIOBase):
    """A writable file over a socket: every write goes out at once, whole."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def writable(self) -> bool:
        return True

    def write(self, b: Any) -> int:
        """Returns: bytes written, all of them, also of a buffer with wider items."""
        self._sock.sendall(b)
        if type(b) is bytes:
            return len(b)
        with memoryview(b) as view:
            return view.nbytes

    def fileno(self) -> int:
        return self._sock.fileno()


class DatagramRequestHandler(BaseRequestHandler):
    """`rfile` holds the datagram; what `wfile` holds at the end is the answer, even when it is
    empty. Source: `socketserver.DatagramRequestHandler`."""

    packet: bytes
    socket: socket.socket
    rfile: BytesIO
    wfile: BytesIO

    def setup(self) -> None:
        self.packet, self.socket = self.request
        self.rfile = BytesIO(self.packet)
        self.wfile = BytesIO()

    def finish(self) -> None:
        self.socket.sendto(self.wfile.getvalue(), self.client_address)
