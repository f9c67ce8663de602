"""How a TLS connection ends: with a goodbye, whoever ends it, and never in plain words."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
from pathlib import Path

import pytest

import sockcore
from sockcore import BackgroundServer, ConnectionRefused, Limits, RequestFinished
from sockcore.tls import say_goodbye
from tests.certificates import Certificates
from tests.sockcore.secure import (
    STREAM_KINDS,
    context_of,
    read_to_end,
    secured,
    tls_caller,
    tls_watched,
    tls_wire,
)
from tests.sockcore.serving import DEADLINE_S, connect, in_thread, join, running, wait_until
from tests.sockcore.watching import KINDS, LOOPBACK

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Once(sockcore.StreamRequestHandler):
    """Answers one line, whatever follows it."""

    def handle(self) -> None:
        self.wfile.write(self.rfile.readline())


class Farewell(sockcore.BaseRequestHandler):
    """Reads to the end, and has a last word."""

    def handle(self) -> None:
        while self.request.recv(9):
            pass
        self.request.sendall(b"farewell")


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_client_sees_the_end_and_no_truncation(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    with (
        tls_watched(certificates, socket_dir, Once, kind=kind) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"one line\n")
        assert read_to_end(client) == b"one line\n"


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_client_of_a_bare_server_sees_the_end(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    address = str(socket_dir / "bare") if kind.startswith("unix") else LOOPBACK
    with KINDS[kind](address, Once) as server, running(server):
        server.ssl_context = context_of(certificates)
        plain = connect(server.server_address, server.address_family)
        with secured(plain, certificates.trusting()) as client:
            client.sendall(b"one line\nand more that is not read")
            assert read_to_end(client) == b"one line\n"


def test_client_would_see_a_truncation(certificates: Certificates, socket_dir: Path) -> None:
    """What the tests above rest on."""

    class Rude(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"half a wo")
            self.request.close()

    with (
        tls_watched(certificates, socket_dir, Rude) as w,
        tls_caller(w.server, certificates.trusting()) as client,
        pytest.raises(ssl.SSLEOFError),
    ):
        read_to_end(client)


def test_stop_lets_the_handler_answer_in_tls(certificates: Certificates, socket_dir: Path) -> None:
    with (
        tls_watched(certificates, socket_dir, Farewell) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"hello")
        wait_until(lambda: w.server.totals().bytes_in == 5, "the hello")
        with in_thread(w.server.stop) as stopping:
            assert read_to_end(client) == b"farewell"
            join(stopping)
        (ended,) = w.heard.of(RequestFinished)
        assert (ended.outcome, ended.sent.prefix) == ("stopped", b"farewell")


def test_client_that_ends_without_a_goodbye_is_answered(
    certificates: Certificates, socket_dir: Path
) -> None:
    with (
        tls_watched(certificates, socket_dir, Farewell) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"hello")
        socket.socket.shutdown(client, socket.SHUT_WR)
        assert read_to_end(client) == b"farewell"
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("ok", "client")


def test_disconnect(certificates: Certificates, socket_dir: Path) -> None:
    with (
        tls_watched(certificates, socket_dir) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"here")
        assert client.recv(9) == b"here"
        assert w.server.disconnect(1)
        with pytest.raises(ssl.SSLEOFError):
            client.recv(9)
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("disconnected", "panel")
        assert w.server.connections() == []


def test_idle(certificates: Certificates, socket_dir: Path) -> None:
    with (
        tls_watched(certificates, socket_dir, limits=Limits(idle_timeout_s=0.2)) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        with pytest.raises(ssl.SSLEOFError):
            client.recv(9)
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("idle", "idle")


def test_reset(certificates: Certificates, socket_dir: Path) -> None:
    class Talking(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            while True:
                self.request.sendall(bytes(9999))

    with tls_watched(certificates, socket_dir, Talking) as w:
        with tls_caller(w.server, certificates.trusting()) as client:
            client.recv(9)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by, ended.error) == ("reset", "client", None)


def test_limit_of_connections(certificates: Certificates, socket_dir: Path) -> None:
    limits = Limits(max_connections=1)
    with (
        tls_watched(certificates, socket_dir, limits=limits) as w,
        tls_caller(w.server, certificates.trusting()),
    ):
        with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
            tls_caller(w.server, certificates.trusting())
        w.heard.wait_for(ConnectionRefused)
        assert w.server.totals().refused_total == 1


# -- the goodbye itself -------------------------------------------------------------------


def test_goodbye_does_not_wait_for_the_peer(certificates: Certificates) -> None:
    with tls_wire(certificates) as (_, ours, client):
        ours.sendall(b"last")
        say_goodbye(ours)  # the client does not even read
        assert read_to_end(client) == b"last"


def fill(sock: ssl.SSLSocket) -> int:
    """Leave no room in its send buffer, past TLS. Returns: bytes."""
    sock.settimeout(0)
    filled = 0
    for size in (65536, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                filled += socket.socket.send(sock, bytes(size))
    sock.settimeout(DEADLINE_S)
    return filled


def test_goodbye_waits_for_room_in_a_full_buffer(certificates: Certificates) -> None:
    with tls_wire(certificates) as (_, ours, client):
        filled = fill(ours)
        got = bytearray()

        def read_past_tls() -> None:
            while data := socket.socket.recv(client, 65536):
                got.extend(data)

        with in_thread(read_past_tls) as reading:
            say_goodbye(ours)
            socket.socket.shutdown(ours, socket.SHUT_WR)
            join(reading)
        _tickets, _, goodbye = bytes(got).partition(bytes(filled))
        assert goodbye.startswith(b"\x17\x03\x03")  # a record of TLS


def test_goodbye_to_one_who_does_not_read_ends(certificates: Certificates) -> None:
    with tls_wire(certificates) as (_, ours, __):
        fill(ours)
        say_goodbye(ours)
        assert ours.gettimeout() == 0


def test_goodbye_never_raises(certificates: Certificates) -> None:
    near, far = socket.socketpair()
    with near, far:
        say_goodbye(near)  # not TLS
        assert near.gettimeout() is None
    with tls_wire(certificates) as (_, ours, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        say_goodbye(ours)
        say_goodbye(ours)
        ours.close()
        say_goodbye(ours)


def test_goodbye_before_hands_are_shaken(certificates: Certificates) -> None:
    near, far = socket.socketpair()
    ours = context_of(certificates).wrap_socket(
        near, server_side=True, do_handshake_on_connect=False
    )
    with ours, far:
        say_goodbye(ours)
        ours.close()
        assert far.recv(9) == b""


def test_server_that_is_stopped_is_closed_for_certain(
    certificates: Certificates, socket_dir: Path
) -> None:
    """A second run on the same factory speaks TLS again."""
    with tls_watched(certificates, socket_dir) as w:
        for _ in range(3):
            with tls_caller(w.server, certificates.trusting()) as client:
                client.sendall(b"hi")
                assert client.recv(9) == b"hi"
            restart(w.server)


def restart(server: BackgroundServer) -> None:
    server.stop()
    server.start()
