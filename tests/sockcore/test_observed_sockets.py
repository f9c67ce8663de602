"""An observed socket is a socket: what it takes over, what its copies do, when it is over."""

from __future__ import annotations

import array
import os
import select
import selectors
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sockcore.limits import Limits
from sockcore.observe import ObservedDatagramSocket, ObservedSocket
from sockcore.tape import Tape
from tests.sockcore.serving import DEADLINE_S, datagrams, read_all
from tests.sockcore.wires import adopt, exactly, tcp_pair, wire

LOOPBACK = ("127.0.0.1", 0)


def unheard(_record: object) -> None:
    """Of an end that no test asks about."""


@pytest.mark.parametrize("default", [None, 7.0])
@pytest.mark.parametrize("timeout", [None, 0.0, 3.5])
def test_timeout_is_kept(timeout: float | None, default: float | None) -> None:
    near, far = socket.socketpair()
    near.settimeout(timeout)
    socket.setdefaulttimeout(default)
    try:
        ours = adopt(near, Tape(Limits()), None, unheard)
    finally:
        socket.setdefaulttimeout(None)
    with ours, far:
        assert ours.gettimeout() == timeout
        assert os.get_blocking(ours.fileno()) is (timeout is None)


def test_descriptor_and_kind_are_kept() -> None:
    near, far = tcp_pair()
    with far:
        number = near.fileno()
        ours = adopt(near, Tape(Limits()), None, unheard)
        with ours:
            assert isinstance(ours, socket.socket)
            assert type(ours) is ObservedSocket
            assert ours.fileno() == number
            assert (ours.family, ours.type, ours.proto) == (near.family, near.type, near.proto)
            assert ours.getpeername() == far.getsockname()
            assert near.fileno() == -1
            near.close()  # has nothing left to close
            ours.sendall(b"still open")
            assert far.recv(99) == b"still open"


def test_it_can_be_waited_for() -> None:
    with wire() as w, selectors.DefaultSelector() as selector:
        selector.register(w.ours, selectors.EVENT_READ)
        assert not selector.select(0)
        w.peer.sendall(b"x")
        assert [key.fileobj for key, _ in selector.select(DEADLINE_S)] == [w.ours]
        assert select.select([w.ours], [w.ours], [], 0)[:2] == ([w.ours], [w.ours])


def test_close_ends_it_once() -> None:
    with wire() as w:
        w.ours.close()
        w.ours.close()
        assert w.ends == 1
        assert w.ours.fileno() == -1


def test_shutdown_does_not_end_it() -> None:
    with wire() as w:
        w.ours.shutdown(socket.SHUT_RDWR)
        assert w.ends == 0


def test_open_file_puts_the_end_off() -> None:
    with wire() as w:
        file = w.ours.makefile("wb")
        w.ours.close()
        assert w.ends == 0
        file.write(b"last words")
        file.close()
        assert w.ends == 1
        assert read_all(w.peer) == b"last words"
        assert w.sent == exactly(b"last words")


def test_detached_descriptor_lives_on_unseen() -> None:
    with wire() as w:
        with socket.socket(fileno=w.ours.detach()) as plain:
            assert w.ends == 1
            plain.sendall(b"unseen")
            assert w.peer.recv(99) == b"unseen"
        assert w.sent.total == 0
        w.ours.close()
        assert w.ends == 1


def test_tls_by_hand_takes_it_over() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with wire(tcp=True) as w:
        number = w.ours.fileno()
        tls = context.wrap_socket(w.ours, server_side=True, do_handshake_on_connect=False)
        with tls:
            assert tls.fileno() == number
            assert w.ends == 0
        assert w.ends == 1


def test_copy_is_on_the_same_tape_and_ends_nothing() -> None:
    with wire() as w:
        w.ours.settimeout(2.5)
        with w.ours.dup() as twin:
            assert type(twin) is ObservedSocket
            assert twin.record is w.record
            assert twin.fileno() != w.ours.fileno()
            assert twin.gettimeout() == 2.5
            twin.sendall(b"from both")
            w.peer.sendall(b"to either")
            assert twin.recv(99) == b"to either"
        assert w.ends == 0
        assert w.sent == exactly(b"from both")
        assert w.received == exactly(b"to either")


def test_it_dies_with_its_last_name() -> None:
    with wire() as w:
        near, far = socket.socketpair()
        ours = adopt(near, w.tape, None, unheard)
        del near
        with pytest.warns(ResourceWarning):
            del ours
        with far:
            assert read_all(far) == b""


class Told:
    """What an observed datagram socket tells."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, bytes]] = []

    def __call__(self, address: Any, data: bytes) -> None:
        self.sent.append((address, data))


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with datagrams(LOOPBACK) as bound:
        yield bound


Sender = Callable[[socket.socket, Any], int]

SENDERS: dict[str, Sender] = {
    "sendto": lambda sock, to: sock.sendto(b"datagram", to),
    "sendto flags": lambda sock, to: sock.sendto(b"datagram", 0, to),
    "sendto view": lambda sock, to: sock.sendto(memoryview(bytearray(b"datagram")), to),
    "sendto wide items": lambda sock, to: sock.sendto(array.array("I", b"datagram"), to),
    "sendmsg": lambda sock, to: sock.sendmsg(iter([b"data", b"gram"]), [], 0, to),
}


@pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
def test_datagram_is_told_with_its_address(send: Sender, peer: socket.socket) -> None:
    told = Told()
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.bind(LOOPBACK)
    plain.settimeout(DEADLINE_S)
    with ObservedDatagramSocket.over(plain, told, lambda: None) as ours:
        assert isinstance(ours, socket.socket)
        assert (plain.fileno(), ours.gettimeout()) == (-1, DEADLINE_S)
        assert send(ours, peer.getsockname()) == 8
        assert peer.recv(99) == b"datagram"
        assert told.sent == [(peer.getsockname(), b"datagram")]
        peer.sendto(b"back", ours.getsockname())
        assert ours.recvfrom(99) == (b"back", peer.getsockname())


def test_datagram_that_did_not_go_is_not_told(peer: socket.socket) -> None:
    told = Told()
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with ObservedDatagramSocket.over(plain, told, lambda: None) as ours:
        with pytest.raises(OSError, match="too long"):
            ours.sendto(bytes(70_000), peer.getsockname())
        assert told.sent == []
        ours.sendto(b"", peer.getsockname())
        assert told.sent == [(peer.getsockname(), b"")]
