"""_SocketWriter: every write goes out at once, whole, and is counted in bytes."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import array
import io
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sockcore.serving import DEADLINE_S, read_all

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection; every wait ends at the deadline."""
    with socket.create_server(LOOPBACK) as listener:
        near = socket.create_connection(listener.getsockname(), timeout=DEADLINE_S)
        far, _ = listener.accept()
    with near, far:
        yield near, far


@pytest.mark.parametrize(
    "data",
    [b"bytes", bytearray(b"array of bytes"), memoryview(b"view"), array.array("I", [1, 2, 3])],
    ids=lambda data: type(data).__name__,
)
def test_writer_tells_the_size_in_bytes(api: Any, pair: Any, data: Any) -> None:
    near, far = pair
    writer = api._SocketWriter(far)
    raw = bytes(memoryview(data).cast("B"))
    assert writer.write(data) == len(raw)
    assert near.recv(len(raw), socket.MSG_WAITALL) == raw


def test_writer_is_a_file_over_the_socket(api: Any, pair: Any) -> None:
    near, far = pair
    writer = api._SocketWriter(far)
    assert writer.writable()
    assert not writer.readable()
    assert writer.fileno() == far.fileno()
    assert writer.flush() is None
    writer.writelines([b"one ", b"two ", b"three"])
    assert near.recv(13, socket.MSG_WAITALL) == b"one two three"


def test_writer_closes_alone_and_still_sends(api: Any, pair: Any) -> None:
    near, far = pair
    writer = api._SocketWriter(far)
    writer.close()
    assert writer.closed
    assert writer.write(b"late") == 4
    assert near.recv(64) == b"late"


def test_text_wrapper_fits_over_the_writer(api: Any, pair: Any) -> None:
    near, far = pair
    with io.TextIOWrapper(api._SocketWriter(far), "utf-8", write_through=True) as text:
        text.write("grüß")
    assert near.recv(64) == "grüß".encode()


def test_write_goes_out_whole_though_signals_interrupt_it(api: Any) -> None:
    """More than the buffers take, and a signal while the rest waits for the peer."""
    interrupted = threading.Event()
    previous = signal.signal(signal.SIGUSR1, lambda *_: interrupted.set())
    size = 8 * 1024 * 1024
    main = threading.get_ident()
    counted: list[int] = []

    class Large(api.StreamRequestHandler):
        def handle(self) -> None:
            counted.append(self.wfile.write(b"." * size))

    def receive(address: Any) -> None:
        with socket.create_connection(address, DEADLINE_S) as client:
            assert client.recv(1) == b"."
            signal.pthread_kill(main, signal.SIGUSR1)
            assert interrupted.wait(DEADLINE_S)
            counted.append(1 + len(read_all(client)))

    try:
        with api.TCPServer(LOOPBACK, Large) as server:
            receiver = threading.Thread(target=receive, args=(server.server_address,))
            receiver.start()
            server.handle_request()
            receiver.join(DEADLINE_S)
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert counted == [size, size]
