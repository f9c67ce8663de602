"""Stopping: what handlers see of it, how long it may take, what is left of it."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    RequestFinished,
    ServerState,
    ServerStopped,
)
from tests.sockcore.serving import in_thread, read_all, wait_until
from tests.sockcore.watching import (
    DATAGRAMS,
    KINDS,
    LOOPBACK,
    NEVER_S,
    STREAMS,
    Echo,
    Gate,
    Heard,
    caller,
    factory,
    gate,
    question,
    sender,
    watched,
)
from tests.sockcore.wires import exactly

pytestmark = pytest.mark.usefixtures("leaves_nothing")

each_stream = pytest.mark.parametrize("kind", STREAMS)
each_datagram = pytest.mark.parametrize("kind", DATAGRAMS)
each_threading = pytest.mark.parametrize("kind", [k for k in STREAMS if k.endswith("threading")])


class Polite(sockcore.StreamRequestHandler):
    """Answers once the client is done, or seems so."""

    def handle(self) -> None:
        asked = self.rfile.read()
        self.wfile.write(b"you said " + asked)


@each_stream
def test_idle_clients_do_not_hold_it_up_and_are_answered(kind: str, socket_dir: Path) -> None:
    """Their handlers see the end, well before the time is over, and can still answer."""
    with watched(factory(kind, Polite, socket_dir)) as w, caller(w.server) as client:
        client.sendall(b"something")
        wait_until(lambda: w.server.totals().bytes_in == 9, "the bytes")
        assert w.server.stop(NEVER_S) == 0
        assert read_all(client) == b"you said something"
        (done,) = w.heard.of(RequestFinished)
        assert (done.outcome, done.sent.total) == ("stopped", 18)


def test_a_hundred_idle_clients_do_not_hold_it_up() -> None:
    with ExitStack() as stack:
        w = stack.enter_context(watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)))
        clients = [stack.enter_context(caller(w.server)) for _ in range(100)]
        w.heard.wait_for(ConnectionOpened, 100)
        assert w.server.stop(NEVER_S) == 0
        assert [read_all(client) for client in clients] == [b""] * 100
        assert len(w.heard.of(RequestFinished)) == 100


@each_threading
def test_handlers_that_heed_only_the_cut_are_cut(kind: str, socket_dir: Path) -> None:
    class Talking(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            while True:
                self.request.sendall(b"x" * 65536)

    with watched(factory(kind, Talking, socket_dir)) as w, caller(w.server) as client:
        assert client.recv(1) == b"x"
        assert w.server.stop(1.0) == 0
        assert w.heard.of(RequestFinished)[0].outcome == "stopped"


@each_stream
def test_stuck_handlers_are_abandoned_and_counted(kind: str, socket_dir: Path) -> None:
    count = 3 if kind.endswith("threading") else 1
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(factory(kind, closed.handler(), socket_dir)))
        for _ in range(count):
            stack.enter_context(caller(w.server))
        closed.wait_entered(count)
        assert w.server.stop(0.1) == count
        assert w.server.state is ServerState.STOPPED
        assert w.heard.of(ServerStopped)[0].abandoned == count
        assert [e.outcome for e in w.heard.of(RequestFinished)] == ["stopped"] * count
        assert len(w.heard.of(ConnectionClosed)) == count
        assert w.server.connections() == []
        told = w.heard.events
        closed.open.set()
        wait_until(lambda: not answering(), "the end of the handlers")
        assert w.heard.events == told


@each_threading
def test_port_of_stuck_handlers_can_be_bound_again(kind: str, socket_dir: Path) -> None:
    with gate() as closed, ExitStack() as stack:
        # Linux asks it of both: the one before and the one after.
        make = factory(kind, closed.handler(), socket_dir, allow_reuse_address=True)
        server = BackgroundServer(make).start()
        address = server.address
        for _ in range(20):
            stack.enter_context(caller(server))
        closed.wait_entered(20)
        assert server.stop(0.1) == 20

        def there_again() -> sockcore.TCPServer:
            Path(str(address)).unlink(missing_ok=True)
            chosen = type("Reusing", (KINDS[kind],), {"allow_reuse_address": True})
            again: sockcore.TCPServer = chosen(address, Echo)
            return again

        with BackgroundServer(there_again) as second:
            assert second.address == address
            assert question(second, kind, socket_dir, b"anew") == b"anew"


def test_the_log_says_how_many_were_abandoned(caplog: pytest.LogCaptureFixture) -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(lambda: sockcore.TCPServer(LOOPBACK, closed.handler())))
        stack.enter_context(caller(w.server))
        closed.wait_entered()
        w.server.stop(0.05)
    assert [r.getMessage() for r in caplog.records] == [
        "hall: 1 handlers still ran 0.1 s after stop; abandoned"
    ]


@each_threading
def test_all_is_told_before_it_is_over(kind: str, socket_dir: Path) -> None:
    """However slow the sink is to hear the last of it."""
    heard = Heard()

    def slow(event: Event) -> None:
        if isinstance(event, ConnectionClosed):
            threading.Event().wait(0.1)  # the disk, say
        heard(event)

    with watched(factory(kind, Echo, socket_dir), sink=slow) as w, caller(w.server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        w.server.stop(NEVER_S)
        assert heard.names[-3:] == ["ConnectionClosed", "RequestFinished", "ServerStopped"]


def test_client_in_the_queue_is_turned_away() -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(lambda: sockcore.TCPServer(LOOPBACK, closed.handler())))
        stack.enter_context(caller(w.server))
        closed.wait_entered()
        queued = stack.enter_context(caller(w.server))
        with in_thread(w.server.stop, NEVER_S):
            assert select.select([queued], [], [], 20)[0]
            with pytest.raises(ConnectionResetError):
                queued.recv(1)
            closed.open.set()
        assert len(w.heard.of(ConnectionOpened)) == 1


def test_a_handler_may_raise_over_it() -> None:
    class Strict(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            if not self.request.recv(1):
                raise EOFError("cut off")

    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Strict)) as w, caller(w.server):
        w.heard.wait_for(ConnectionOpened)
        assert w.server.stop(NEVER_S) == 0
        (done,) = w.heard.of(RequestFinished)
        assert (done.outcome, done.error) == ("stopped", None)
        assert w.server.totals().errors_total == 0


def test_peer_that_went_on_sending_is_cut() -> None:
    """Reading is ended, and yet Linux hands over what arrives later: the deadline decides."""
    with (
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w,
        caller(w.server) as client,
        in_thread(chatter, client),
    ):
        wait_until(lambda: w.server.totals().bytes_in > 1000, "the chatter")
        assert w.server.stop(1.0) == 0


def chatter(client: socket.socket) -> None:
    """Send and read until we are cut."""
    try:
        while True:
            client.sendall(b"x" * 100)
            if not client.recv(65536):
                return
    except ConnectionError:
        return


def answering() -> list[str]:
    """The threads that answer requests."""
    names = [thread.name for thread in threading.enumerate()]
    return [n for n in names if "process_request" in n or n == "server:hall"]


class Patient(sockcore.DatagramRequestHandler):
    """Answers once the server is told to stop."""

    gate: Gate

    def handle(self) -> None:
        self.gate.pass_through()
        self.wfile.write(b"answered")


@each_datagram
def test_a_datagram_in_hand_is_answered_out_when_stopping(kind: str, socket_dir: Path) -> None:
    """The answer leaves by the listener, so that closes after it."""
    with gate() as closed, ExitStack() as stack:
        handler = type("Handler", (Patient,), {"gate": closed})
        w = stack.enter_context(watched(factory(kind, handler, socket_dir)))
        client = stack.enter_context(sender(w.server, socket_dir))
        client.send(b"slow one")
        closed.wait_entered()
        with in_thread(w.server.stop, NEVER_S):
            w.heard.wait_for(ConnectionClosed)  # that is: it drains
            closed.open.set()
        assert client.recv(99) == b"answered"
        (done,) = w.heard.of(RequestFinished)
        assert (done.outcome, done.sent) == ("ok", exactly(b"answered"))


@each_datagram
def test_stuck_datagrams_are_abandoned_and_told_once(kind: str, socket_dir: Path) -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(factory(kind, closed.handler(), socket_dir)))
        stack.enter_context(sender(w.server, socket_dir)).send(b"never")
        closed.wait_entered()
        assert w.server.stop(0.05) == 1
        (done,) = w.heard.of(RequestFinished)
        assert (done.outcome, done.closed_by) == ("stopped", "stop")
        closed.open.set()
        wait_until(lambda: not answering(), "the end of the handler")
        assert w.heard.of(RequestFinished) == [done]
