"""TLS as programs do it with the stdlib's socketserver: it works, and is still seen."""

from __future__ import annotations

import contextlib
import http.server
import queue
import socketserver
import ssl
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import RequestFinished
from tests.certificates import Certificates
from tests.sockcore.secure import context_of, secured, tls_caller
from tests.sockcore.serving import DEADLINE_S, connect, running, wait_until
from tests.sockcore.watching import LOOPBACK, Echo, Watched, caller, factory, watched
from tests.sockcore.wires import exactly

pytestmark = pytest.mark.usefixtures("leaves_nothing")


def wrapping_handlers(context: ssl.SSLContext) -> dict[str, Any]:
    """Echoes that wrap for themselves, each where programs do it."""

    class InSetup(sockcore.StreamRequestHandler):
        def setup(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            super().setup()

        def handle(self) -> None:
            while data := self.request.recv(99):
                self.wfile.write(data)

        def finish(self) -> None:
            super().finish()
            self.request.close()

    class OfTheStdlib(socketserver.BaseRequestHandler):
        def setup(self) -> None:
            self.connection = context.wrap_socket(self.request, server_side=True)

        def handle(self) -> None:
            with self.connection:
                while data := self.connection.recv(99):
                    self.connection.sendall(data)

    class Later(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            shy = context.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
            with shy as connection, connection.makefile("rwb") as file:
                connection.do_handshake()
                while data := file.read1(99):
                    file.write(data)
                    file.flush()

    return {"setup": InSetup, "stdlib": OfTheStdlib, "handle": Later}


@pytest.mark.parametrize("where", ["setup", "stdlib", "handle"])
@pytest.mark.parametrize("kind", ["tcp-single", "tcp-threading", "unix-threading"])
def test_wrapped_by_its_handler(
    where: str, kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    handler = wrapping_handlers(context_of(certificates))[where]
    with watched(factory(kind, handler, socket_dir)) as w:
        with tls_caller(w.server, certificates.trusting()) as client:
            client.sendall(b"by hand")
            assert client.recv(99) == b"by hand"
            wait_until(lambda: w.server.totals().bytes_out == 7, "the note of what was sent")
            (connection,) = w.server.connections()
            assert connection.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"
            assert (connection.bytes_in, connection.bytes_out) == (7, 7)
            assert connection.fileno is not None
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("ok", "client")
        assert (ended.received, ended.sent) == (exactly(b"by hand"), exactly(b"by hand"))


def test_wrapped_by_its_handler_without_an_observer(certificates: Certificates) -> None:
    handler = wrapping_handlers(context_of(certificates))["setup"]
    with (
        sockcore.ThreadingTCPServer(LOOPBACK, handler) as server,
        running(server),
        secured(connect(server.server_address), certificates.trusting()) as client,
    ):
        client.sendall(b"by hand")
        assert client.recv(99) == b"by hand"


def test_tls_that_begins_in_the_middle(certificates: Certificates, socket_dir: Path) -> None:
    context = context_of(certificates)

    class Upgrading(sockcore.StreamRequestHandler):
        def handle(self) -> None:
            assert self.request.recv(99) == b"STARTTLS\n"
            self.request.sendall(b"go\n")
            with context.wrap_socket(self.request, server_side=True) as secret:
                secret.sendall(secret.recv(99)[::-1])

    with watched(factory("tcp-threading", Upgrading, socket_dir)) as w:
        plain = caller(w.server)
        plain.sendall(b"STARTTLS\n")
        assert plain.recv(99) == b"go\n"
        with secured(plain, certificates.trusting()) as client:
            client.sendall(b"secret")
            assert client.recv(99) == b"terces"
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.received == exactly(b"STARTTLS\nsecret")
        assert ended.sent == exactly(b"go\nterces")


def test_cut_and_stopped_as_any(certificates: Certificates, socket_dir: Path) -> None:
    handler = wrapping_handlers(context_of(certificates))["setup"]
    with watched(factory("tcp-threading", handler, socket_dir)) as w:
        trusting = certificates.trusting()
        with tls_caller(w.server, trusting) as cut, tls_caller(w.server, trusting) as stopped:
            first, _ = w.server.connections()
            assert w.server.disconnect(first.id)
            with pytest.raises(ssl.SSLEOFError):
                cut.recv(1)
            stopped.sendall(b"here")
            assert stopped.recv(9) == b"here"
            assert w.server.stop() == 0
            outcomes = {ended.outcome for ended in w.heard.of(RequestFinished)}
            assert outcomes == {"disconnected", "stopped"}


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_handler_that_forgets_to_close(certificates: Certificates, socket_dir: Path) -> None:
    """As in the stdlib it is closed when its last name is gone, which ends the request."""
    context = context_of(certificates)

    class Forgetful(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            self.request = context.wrap_socket(self.request, server_side=True)
            self.request.sendall(b"bye")

    with watched(factory("tcp-threading", Forgetful, socket_dir)) as w:
        with tls_caller(w.server, certificates.trusting()) as client:
            assert client.recv(9) == b"bye"
            (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.sent) == ("ok", exactly(b"bye"))
        assert w.server.connections() == []


@pytest.mark.parametrize("where", ["setup", "handle"])
def test_handshake_by_hand_that_fails(
    where: str, certificates: Certificates, socket_dir: Path
) -> None:
    raised: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def handle_error(*_: object) -> None:
        raised.put(sys.exc_info()[1])

    handler = wrapping_handlers(context_of(certificates))[where]
    make = factory("tcp-threading", handler, socket_dir, handle_error=handle_error)
    with watched(make) as w, caller(w.server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.error) == ("handshake", "TLS handshake: http request")
        # The handler did raise: that goes the way of any exception.
        assert "HTTP_REQUEST" in str(raised.get(timeout=DEADLINE_S))


# -- a listener that is wrapped -----------------------------------------------------------


def wrapped_server(certificates: Certificates, handler: Any = Echo) -> sockcore.TCPServer:
    server = sockcore.ThreadingTCPServer(LOOPBACK, handler)
    server.socket = context_of(certificates).wrap_socket(server.socket, server_side=True)
    return server


@contextlib.contextmanager
def observed(server: sockcore.TCPServer) -> Iterator[Watched]:
    with watched(lambda: server) as w:
        yield w


def test_wrapped_listener(certificates: Certificates) -> None:
    with (
        wrapped_server(certificates) as server,
        running(server),
        connect(server.server_address),  # and says nothing: the stdlib would wait for it
        secured(connect(server.server_address), certificates.trusting()) as client,
    ):
        client.sendall(b"as ever")
        assert client.recv(9) == b"as ever"


def test_wrapped_listener_is_observed(certificates: Certificates) -> None:
    with observed(wrapped_server(certificates)) as w:
        with caller(w.server), tls_caller(w.server, certificates.trusting()) as client:
            client.sendall(b"as ever")
            assert client.recv(9) == b"as ever"
            assert [c.tls is None for c in w.server.connections()] == [True, False]
        first, second = w.heard.wait_for(RequestFinished, 2)
        assert {first.outcome, second.outcome} == {"ok", "handshake"}
        assert {first.received.total, second.received.total} == {0, 7}


def test_wrapped_listener_of_handle_request(certificates: Certificates) -> None:
    with wrapped_server(certificates) as server, connect(server.server_address) as plain:
        server.handle_request()
        with secured(plain, certificates.trusting()) as client:
            client.sendall(b"once")
            assert client.recv(9) == b"once"


# -- programs -----------------------------------------------------------------------------


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize("by_hand", [False, True])
def test_http_server(by_hand: bool, certificates: Certificates, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>over TLS</p>", encoding="ascii")
    handler = partial(Quiet, directory=str(tmp_path))
    server: sockcore.TCPServer
    if by_hand:
        server = wrapped_server(certificates, handler)
    else:
        server = sockcore.ThreadingTCPServer(LOOPBACK, handler)
        server.ssl_context = context_of(certificates)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=certificates.trusting()),
    )
    with observed(server) as w:
        host, port = w.server.address
        with opener.open(f"https://{host}:{port}/page.html", timeout=20) as response:
            assert response.read() == b"<p>over TLS</p>"
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.received.prefix.startswith(b"GET /page.html HTTP/1.1\r\n")
        assert ended.sent.prefix.endswith(b"\r\n\r\n<p>over TLS</p>")
