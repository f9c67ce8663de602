"""The handshake: where it happens, what bounds it, and that a failed one hurts nobody else."""

# Server classes are chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import Limits, RequestFinished
from sockcore.stream_observer import StreamObserver
from tests.certificates import Certificates
from tests.sockcore.secure import (
    STREAM_KINDS,
    context_of,
    hello,
    read_to_end,
    say_hi,
    secured,
    tls_caller,
    tls_watched,
)
from tests.sockcore.serving import DEADLINE_S, connect, running, wait_until
from tests.sockcore.watching import KINDS, LOOPBACK, NEVER_S, Echo, caller, watched

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def open_sockets() -> int:
    """Of this process; not what threads have open besides."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
    return found


CONCURRENT = [kind for kind in STREAM_KINDS if not kind.endswith("-single")]


@contextlib.contextmanager
def silent_callers(server: sockcore.BackgroundServer, count: int) -> Iterator[list[socket.socket]]:
    """Clients that connect and say nothing."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(caller(server)) for _ in range(count)]


@pytest.mark.parametrize("kind", CONCURRENT)
def test_r28_a_good_handshake_works_beside_100_silent_clients(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    with (
        tls_watched(
            certificates, socket_dir, kind=kind, limits=Limits(handshake_timeout_s=NEVER_S)
        ) as w,
        silent_callers(w.server, 100),
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"at once")
        assert client.recv(9) == b"at once"
        assert len(w.server.connections()) == 101


@pytest.mark.parametrize("kind", CONCURRENT)
def test_r28_silent_clients_are_cut(
    kind: str, certificates: Certificates, socket_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sockcore.TCPServer.handshake_timeout == 5.0
    with (
        tls_watched(
            certificates, socket_dir, kind=kind, limits=Limits(handshake_timeout_s=0.3)
        ) as w,
        silent_callers(w.server, 100) as silent,
    ):
        assert [client.recv(1) for client in silent] == [b""] * 100
        for ended in w.heard.wait_for(RequestFinished, 100):
            assert (ended.outcome, ended.closed_by) == ("handshake", "handler")
            assert ended.error == "TLS handshake: not done in time"
            assert (ended.received.total, ended.sent.total, ended.chunks) == (0, 0, ())
        assert w.server.totals().errors_total == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_r28_the_deadline_is_on_the_whole_handshake(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    """A client that drips never keeps a single read waiting for long."""
    pause = threading.Event()
    with (
        tls_watched(
            certificates, socket_dir, kind=kind, limits=Limits(handshake_timeout_s=0.3)
        ) as w,
        caller(w.server) as client,
    ):
        with contextlib.suppress(ConnectionError):  # cut while it drips
            for byte in hello(certificates):
                client.send(bytes([byte]))
                pause.wait(0.02)
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.error == "TLS handshake: not done in time"


@pytest.mark.parametrize("kind", ["tcp-single", "unix-single"])
def test_serial_server_waits_for_a_silent_client_no_longer_than_the_deadline(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    with (
        tls_watched(
            certificates, socket_dir, kind=kind, limits=Limits(handshake_timeout_s=0.2)
        ) as w,
        silent_callers(w.server, 1),
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        client.sendall(b"then me")
        assert client.recv(9) == b"then me"


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_other_protocol_ends_without_a_handler(
    kind: str, certificates: Certificates, socket_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    called: list[object] = []
    with tls_watched(certificates, socket_dir, lambda *args: called.append(args), kind=kind) as w:
        with caller(w.server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                while client.recv(9):
                    pass
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("handshake", "handler")
        assert ended.error == "TLS handshake: http request"
        assert w.server.connections() == []
    assert called == []
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
@pytest.mark.parametrize("reset", [False, True])
def test_client_that_leaves_during_the_handshake(
    said: bytes, reset: bool, certificates: Certificates, socket_dir: Path
) -> None:
    with tls_watched(certificates, socket_dir, limits=Limits(handshake_timeout_s=NEVER_S)) as w:
        with caller(w.server) as client:
            client.sendall(said)
            wait_until(lambda: w.server.connections(), "the connection")
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("handshake", "client")
        assert ended.error == "TLS handshake: the client broke it off"


@pytest.mark.parametrize("observed", [False, True])
def test_client_that_is_gone_before_accept(observed: bool, certificates: Certificates) -> None:
    answered: list[object] = []
    heard: list[RequestFinished] = []

    def sink(event: sockcore.Event) -> None:
        if isinstance(event, RequestFinished):
            heard.append(event)

    class Server(sockcore.TCPServer):
        ssl_context = context_of(certificates)
        timeout = DEADLINE_S

    with Server(LOOPBACK, lambda *args: answered.append(args)) as server:
        if observed:
            server._observer = StreamObserver("hall", "1", sink, sockcore.Limits())
        with connect(server.server_address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        before = open_sockets()
        server.handle_request()
        assert open_sockets() == before
        if server._observer is not None:
            server._observer.tick()
    assert answered == []
    assert [event.outcome for event in heard] == ["handshake"] * observed


def test_stop_does_not_wait_for_a_handshake(certificates: Certificates, socket_dir: Path) -> None:
    with (
        tls_watched(certificates, socket_dir, limits=Limits(handshake_timeout_s=NEVER_S)) as w,
        silent_callers(w.server, 3),
    ):
        wait_until(lambda: len(w.server.connections()) == 3, "the connections")
        assert w.server.stop(NEVER_S) == 0
        assert [e.outcome for e in w.heard.of(RequestFinished)] == ["stopped"] * 3


def test_disconnect_cuts_a_handshake(certificates: Certificates, socket_dir: Path) -> None:
    with (
        tls_watched(certificates, socket_dir, limits=Limits(handshake_timeout_s=NEVER_S)) as w,
        silent_callers(w.server, 1) as (client,),
    ):
        wait_until(lambda: w.server.connections(), "the connection")
        assert w.server.disconnect(1)
        assert client.recv(1) == b""
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.outcome == "disconnected"


class Timeouts(sockcore.BaseRequestHandler):
    """Answers with the timeout that its socket has."""

    def handle(self) -> None:
        self.request.sendall(repr(self.request.gettimeout()).encode())


@pytest.mark.parametrize("kind", STREAM_KINDS)
@pytest.mark.parametrize("observed", [False, True])
def test_handler_gets_a_shaken_socket_without_the_deadline(
    kind: str, observed: bool, certificates: Certificates, socket_dir: Path
) -> None:
    base: Any = KINDS[kind]

    class Finishing(base):
        ssl_context = context_of(certificates)
        shaken: list[object] = []

        def finish_request(self, request: Any, client_address: Any) -> None:
            self.shaken.append(request.cipher())  # not yet
            super().finish_request(request, client_address)
            self.shaken.append(isinstance(request, ssl.SSLSocket))

    path = str(socket_dir / "bare")
    address = path if kind.startswith("unix") else LOOPBACK
    server = Finishing(address, Timeouts)
    if observed:
        with watched(lambda: server) as w, tls_caller(w.server, certificates.trusting()) as client:
            assert read_to_end(client) == b"None"
    else:
        with (
            running(server),
            secured(
                connect(server.server_address, server.address_family), certificates.trusting()
            ) as client,
        ):
            assert read_to_end(client) == b"None"
    assert Finishing.shaken == [None, True]


def test_refused_by_verify_request(
    certificates: Certificates, socket_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with (
        tls_watched(certificates, socket_dir, verify_request=lambda *_: False) as w,
        caller(w.server) as client,
    ):
        assert client.recv(1) == b""
        w.heard.wait_for(RequestFinished)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_no_descriptor_is_left_after_200_connections(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    context, wrong = certificates.trusting(), ssl.create_default_context()
    with tls_watched(certificates, socket_dir, kind=kind) as w:
        say_hi(w.server, context)
        w.heard.wait_for(RequestFinished)
        before = open_sockets()
        for number in range(1, 200):
            if number % 10 == 0:
                with pytest.raises(ssl.SSLCertVerificationError):
                    tls_caller(w.server, wrong)
                continue
            say_hi(w.server, context)
        outcomes = [ended.outcome for ended in w.heard.wait_for(RequestFinished, 200)]
        assert (outcomes.count("ok"), outcomes.count("handshake")) == (181, 19)
        wait_until(lambda: open_sockets() <= before, "the closing")


def test_old_and_new_connections_of_a_bare_server(certificates: Certificates) -> None:
    """What is read per accept: a server can begin to speak TLS while it serves."""
    with (
        sockcore.ThreadingTCPServer(LOOPBACK, Echo) as server,
        running(server),
        connect(server.server_address) as plain,
    ):
        plain.sendall(b"plain")
        assert plain.recv(9) == b"plain"
        server.ssl_context = context_of(certificates)
        with secured(connect(server.server_address), certificates.trusting()) as client:
            client.sendall(b"tls")
            assert client.recv(9) == b"tls"
        plain.sendall(b"still")
        assert plain.recv(9) == b"still"
