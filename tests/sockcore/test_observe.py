"""What crosses an observed socket: counted and taped exactly, by every way in and out."""

from __future__ import annotations

import array
import asyncio
import io
import os
import socket
import tempfile
from collections.abc import Callable

import pytest

from sockcore.events import Bytes
from sockcore.handlers import _SocketWriter
from tests.sockcore.serving import in_thread, read_all
from tests.sockcore.wires import Wire, exactly, wire

DATA = bytes(range(256)) * 4

Reader = Callable[[socket.socket, int, int], bytes]  # (socket, size, flags)
Writer = Callable[[socket.socket, bytes], object]


def _recv_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: sock.recv_into(buffer, 0, flags)])


def _recv_into_some(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = bytearray(size + 50)
    return bytes(buffer[: sock.recv_into(buffer, size, flags)])


def _recv_into_wide(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = array.array("I", bytes(size))
    got = sock.recv_into(buffer, flags=flags)
    return buffer.tobytes()[:got]


def _recvfrom_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffer = bytearray(size)
    return bytes(buffer[: sock.recvfrom_into(buffer, size, flags)[0]])


def _recvmsg_into(sock: socket.socket, size: int, flags: int) -> bytes:
    buffers = [bytearray(100), bytearray(size - 100)]
    got = sock.recvmsg_into(iter(buffers), 0, flags)[0]
    return b"".join(buffers)[:got]


READERS: dict[str, Reader] = {
    "recv": lambda sock, size, flags: sock.recv(size, flags),
    "recv_into": _recv_into,
    "recv_into some": _recv_into_some,
    "recv_into wide items": _recv_into_wide,
    "recvfrom": lambda sock, size, flags: sock.recvfrom(size, flags)[0],
    "recvfrom_into": _recvfrom_into,
    "recvmsg": lambda sock, size, flags: sock.recvmsg(size, 0, flags)[0],
    "recvmsg_into": _recvmsg_into,
}


def _file_reader(buffering: int) -> Reader:
    def read(sock: socket.socket, size: int, flags: int) -> bytes:
        with sock.makefile("rb", buffering) as file:
            data = file.read(size)
            assert data is not None
            return bytes(data)

    return read


FILE_READERS = {"makefile": _file_reader(-1), "makefile unbuffered": _file_reader(0)}


def _by_file(buffering: int) -> Writer:
    def write(sock: socket.socket, data: bytes) -> None:
        with sock.makefile("wb", buffering) as file:
            assert file.write(data) == len(data)

    return write


def _sendfile(sock: socket.socket, data: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"skipped" + data + (b"left" if data else b""))
        assert sock.sendfile(file, 7, len(data) or None) == len(data)


WRITERS: dict[str, Writer] = {
    "send": lambda sock, data: sock.send(data),
    "send wide items": lambda sock, data: sock.send(array.array("I", data)),
    "sendall": lambda sock, data: sock.sendall(data),
    "sendall flags": lambda sock, data: sock.sendall(data, socket.MSG_NOSIGNAL),
    "sendall wide items": lambda sock, data: sock.sendall(array.array("I", data)),
    "sendmsg": lambda sock, data: sock.sendmsg([data[:9], data[9:]]),
    "sendmsg iterator": lambda sock, data: sock.sendmsg(iter([data[:8], data[8:]])),
    "sendfile": _sendfile,
    "sendfile of no real file": lambda sock, data: sock.sendfile(io.BytesIO(data)),
    "makefile": _by_file(-1),
    "makefile unbuffered": _by_file(0),
    "wfile": lambda sock, data: _SocketWriter(sock).write(data),
}

each_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
each_writer = pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
ALL_READERS = {**READERS, **FILE_READERS}


@pytest.mark.parametrize("reader", ALL_READERS.values(), ids=ALL_READERS)
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_what_comes_in_is_taped(reader: Reader, tcp: bool) -> None:
    with wire(tcp=tcp) as w:
        w.peer.sendall(DATA)
        assert reader(w.ours, len(DATA), socket.MSG_WAITALL) == DATA
        assert w.received == exactly(DATA)
        assert w.sent == Bytes()
        assert not w.tape.peer_ended


@each_reader
def test_what_is_only_peeked_at_is_taped_once(reader: Reader) -> None:
    with wire() as w:
        w.peer.sendall(DATA)
        assert reader(w.ours, len(DATA), socket.MSG_PEEK) == DATA
        assert w.received == Bytes()
        assert reader(w.ours, len(DATA), 0) == DATA
        assert w.received == exactly(DATA)


@pytest.mark.parametrize("reader", ALL_READERS.values(), ids=ALL_READERS)
def test_end_of_the_peer_is_seen(reader: Reader) -> None:
    with wire() as w:
        w.peer.shutdown(socket.SHUT_WR)
        assert not w.tape.peer_ended
        assert reader(w.ours, 512, 0) == b""
        assert w.tape.peer_ended


@each_reader
def test_peeked_end_is_left_for_the_real_read(reader: Reader) -> None:
    with wire() as w:
        w.peer.close()
        assert reader(w.ours, 512, socket.MSG_PEEK) == b""
        assert not w.tape.peer_ended


def test_asking_for_nothing_is_not_the_end() -> None:
    with wire() as w:
        w.peer.sendall(b"there")
        assert w.ours.recv(0) == b""
        assert w.ours.recvfrom(0)[0] == b""
        assert w.ours.recvmsg(0)[0] == b""
        assert w.ours.recv_into(bytearray()) == 0
        assert not w.tape.peer_ended
        assert w.ours.recv(9) == b"there"


@pytest.mark.parametrize("reader", ALL_READERS.values(), ids=ALL_READERS)
def test_reset_is_seen_by_readers(reader: Reader) -> None:
    with wire(tcp=True) as w:
        w.reset_by_peer()
        with pytest.raises(ConnectionResetError):
            reader(w.ours, 512, 0)
        assert w.tape.peer_ended
        assert w.received == Bytes()


@each_writer
def test_reset_is_seen_by_writers(writer: Writer) -> None:
    with wire(tcp=True) as w:
        w.reset_by_peer()
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            writer(w.ours, DATA)
        assert w.tape.peer_ended
        assert w.sent == Bytes()


@each_writer
@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_what_goes_out_is_taped(writer: Writer, tcp: bool) -> None:
    with wire(tcp=tcp) as w:
        writer(w.ours, DATA)
        w.ours.shutdown(socket.SHUT_WR)
        assert read_all(w.peer) == DATA
        assert w.sent == exactly(DATA)
        assert w.received == Bytes()


@each_writer
def test_nothing_sent_is_nothing_taped(writer: Writer) -> None:
    with wire() as w:
        writer(w.ours, b"")
        assert w.tape.snapshot(digest=True) == (Bytes(), Bytes(), ())


def test_large_sendall_is_taped_whole() -> None:
    data = os.urandom(3_000_000)
    came: list[bytes] = []
    with wire(tcp=True) as w:
        with in_thread(lambda: came.append(read_all(w.peer))):
            w.ours.sendall(data)
            w.ours.shutdown(socket.SHUT_WR)
        assert came == [data]
        assert w.sent == exactly(data)


def _sendmsg_for_ever(sock: socket.socket, data: bytes) -> None:
    while True:
        sock.sendmsg([data[:3], data[3:]])


HALFWAY: dict[str, Writer] = {
    "sendall": WRITERS["sendall"],
    "sendmsg": _sendmsg_for_ever,
    "wfile": WRITERS["wfile"],
}


@pytest.mark.parametrize("writer", HALFWAY.values(), ids=HALFWAY)
@pytest.mark.parametrize(
    ("timeout", "error"), [(0.05, TimeoutError), (0.0, BlockingIOError)], ids=["timeout", "now"]
)
def test_what_went_before_a_full_buffer_is_taped(
    writer: Writer, timeout: float, error: type[OSError]
) -> None:
    """As much as the peer gets, to the byte; and the error is that of a plain socket."""
    with wire() as w:
        w.fill()
        w.ours.settimeout(timeout)
        with pytest.raises(error):
            writer(w.ours, bytes(5_000_000))
        w.ours.close()
        came = len(read_all(w.peer))
        assert 0 < came < 5_000_000
        assert w.sent.total == came


def test_partial_send_is_taped_as_far_as_it_went() -> None:
    with wire() as w:
        w.fill()
        w.ours.setblocking(False)
        sent = w.ours.send(bytes(5_000_000))
        assert 0 < sent < 5_000_000
        assert w.sent.total == sent


def test_both_ways_are_in_order() -> None:
    with wire() as w:
        for turn in (b"a", b"bb", b"ccc"):
            w.peer.sendall(turn)
            assert w.ours.recv(9) == turn
            w.ours.sendall(turn * 2)
        chunks = w.tape.snapshot(digest=False)[2]
        assert [(c.inbound, c.size) for c in chunks] == [
            *((True, 1), (False, 2), (True, 2), (False, 4), (True, 3), (False, 6))
        ]


def test_lines_of_a_file_are_counted_once() -> None:
    lines = [b"%d\n" % n for n in range(2000)]
    with wire() as w, w.ours.makefile("rwb") as file:
        with in_thread(w.peer.sendall, b"".join(lines)):
            assert [file.readline() for _ in lines] == lines
        file.writelines(lines[:100])
        file.flush()
        assert w.received == exactly(b"".join(lines))
        assert w.sent == exactly(b"".join(lines[:100]))


async def _talk(w: Wire) -> bytes:
    reader, writer = await asyncio.open_connection(sock=w.ours)
    got = await reader.readexactly(5)
    writer.writelines([b"an", b"swer"])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    return got


def test_asyncio_is_taped_too() -> None:
    with wire(tcp=True) as w:
        w.peer.sendall(b"hello")
        w.ours.setblocking(False)
        assert asyncio.run(_talk(w)) == b"hello"
        assert read_all(w.peer) == b"answer"
        assert w.received == exactly(b"hello")
        assert w.sent == exactly(b"answer")
        assert w.ends == 1
