"""MessageRequestHandler: the same class under every model."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    DatagramFraming,
    FixedFraming,
    IdleGapFraming,
    LengthFraming,
    MessageRequestHandler,
    RequestFinished,
)
from tests.certificates import Certificates
from tests.sockcore.secure import read_to_end, tls_caller, tls_watched
from tests.sockcore.serving import DEADLINE_S
from tests.sockcore.watching import (
    DATAGRAMS,
    STREAMS,
    Heard,
    caller,
    factory,
    question,
    sender,
    watched,
)
from tests.waiting import equal

#: Where a handler may block: all but those whose messages live on the loop.
BLOCKING = [kind for kind in STREAMS if not kind.endswith("event")]

Serving = Callable[[str, Any], contextlib.AbstractContextManager[tuple[BackgroundServer, Heard]]]


@pytest.fixture(params=STREAMS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=BLOCKING)
def blocking(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


class Upper(MessageRequestHandler):
    def handle_message(self, message: bytes) -> bytes | None:
        return message.upper() or None


def quiet(_server: object, _request: object, _client_address: object) -> None:
    """As handle_error(): the observer has it."""


@pytest.fixture
def serving(socket_dir: Path) -> Serving:
    @contextlib.contextmanager
    def serve(kind: str, handler: Any) -> Iterator[tuple[BackgroundServer, Heard]]:
        with watched(factory(kind, handler, socket_dir, handle_error=quiet)) as w:
            yield w.server, w.heard

    return serve


def talk(server: BackgroundServer, *pieces: bytes) -> bytes:
    """Send, end, and read to the end."""
    with caller(server) as client:
        for piece in pieces:
            client.sendall(piece)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def read_all(client: socket.socket) -> bytes:
    got = []
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(65536):
            got.append(data)
    return b"".join(got)


def test_each_message_is_answered_in_order(serving: Serving, model: str) -> None:
    with serving(model, Upper) as (server, _):
        assert talk(server, b"a\nb\r\n\nc", b"d\ne") == b"A\nB\nCD\nE\n"


def test_framing_frames_both_ways(serving: Serving, model: str) -> None:
    class Sized(Upper):
        framing = LengthFraming(2, "little")

    with serving(model, Sized) as (server, _):
        assert talk(server, b"\x02", b"\0ab\x01\0c\x05") == b"\x02\0AB\x01\0C"


def test_opened_speaks_first_and_closed_is_called_once(serving: Serving, model: str) -> None:
    closed = []

    class Greeting(Upper):
        def opened(self) -> None:
            self.send(b"hello")

        def closed(self) -> None:
            closed.append(self.client_address)

    with serving(model, Greeting) as (server, heard):
        with caller(server) as client:
            assert client.recv(10) == b"hello\n"
        heard.wait_for(RequestFinished)
        equal(lambda: len(closed), 1)


def test_setup_and_finish_enclose_it(serving: Serving, model: str) -> None:
    order = []

    class Ordered(Upper):
        def setup(self) -> None:
            order.append("setup")

        def opened(self) -> None:
            order.append("opened")

        def handle_message(self, message: bytes) -> bytes | None:
            order.append(message.decode())
            return None

        def closed(self) -> None:
            order.append("closed")

        def finish(self) -> None:
            order.append("finish")

    with serving(model, Ordered) as (server, _):
        assert talk(server, b"1\n2\n") == b""
        equal(lambda: order, ["setup", "opened", "1", "2", "closed", "finish"])


def test_what_was_answered_before_an_error_goes_out(serving: Serving, model: str) -> None:
    class Fragile(Upper):
        def handle_message(self, message: bytes) -> bytes | None:
            if message == b"boom":
                raise ValueError("boom")
            return super().handle_message(message)

    with serving(model, Fragile) as (server, heard):
        assert talk(server, b"a\nboom\nb\n") == b"A\n"
        (end,) = heard.wait_for(RequestFinished)
        assert end.outcome == "error"
        assert end.error is not None
        assert end.error.endswith("ValueError: boom\n")
        assert end.received.prefix == b"a\nboom\nb\n"
        assert end.sent.prefix == b"A\n"


def test_a_frame_too_long_ends_the_connection_with_a_clear_error(
    serving: Serving, model: str
) -> None:
    class Short(Upper):
        max_frame = 10

    with serving(model, Short) as (server, heard):
        assert talk(server, b"ok\n" + b"x" * 50) == b"OK\n"
        (end,) = heard.wait_for(RequestFinished)
        assert end.outcome == "error"
        assert end.error is not None
        assert (
            "FrameTooLong: a frame of 50 bytes or more is longer than the 10 allowed" in end.error
        )


def test_close_ends_it_from_our_side(serving: Serving, model: str) -> None:
    class Leaving(Upper):
        def handle_message(self, message: bytes) -> bytes | None:
            if message == b"bye":
                self.close()
            return message

    with serving(model, Leaving) as (server, heard):
        with caller(server) as client:
            client.sendall(b"a\nbye\nb\n")
            assert read_all(client) == b"a\nbye\n"
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.closed_by) == ("ok", "handler")


def test_another_thread_may_send(serving: Serving, model: str) -> None:
    class Later(Upper):
        def handle_message(self, message: bytes) -> bytes | None:
            threading.Thread(target=self.send, args=(message * 2,)).start()
            return None

    with (
        serving(model, Later) as (server, _),
        caller(server) as client,
    ):
        client.sendall(b"ab\n")
        assert client.recv(10) == b"abab\n"


def test_silence_ends_a_message(serving: Serving, model: str) -> None:
    class Serial(Upper):
        framing = IdleGapFraming(0.05)

    with (
        serving(model, Serial) as (server, _),
        caller(server) as client,
    ):
        for message in (b"one", b"two"):
            client.sendall(message[:1])
            client.sendall(message[1:])
            got = b""
            while len(got) < 3:
                got += client.recv(10)
            assert got == message.upper()


def test_a_large_answer_reaches_a_slow_reader(serving: Serving, model: str) -> None:
    class Large(MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes | None:
            return message * 4_000_000

    with (
        serving(model, Large) as (server, _),
        caller(server) as client,
    ):
        client.sendall(b"x\n")
        time.sleep(0.05)  # so that the server meets a full buffer
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"x" * 4_000_000 + b"\n"


def test_send_after_the_end_is_refused(serving: Serving) -> None:
    made: list[MessageRequestHandler] = []

    class Kept(Upper):
        def opened(self) -> None:
            made.append(self)

    with serving("tcp-threading", Kept) as (server, heard):
        assert talk(server, b"a\n") == b"A\n"
        heard.wait_for(RequestFinished)
    with pytest.raises(ConnectionError, match="not connected"):
        made[0].send(b"late")


@pytest.mark.parametrize("wrong", [DatagramFraming(), FixedFraming(100_000)])
def test_a_framing_that_cannot_work_is_told_before_anything_opens(
    serving: Serving, model: str, wrong: sockcore.Framing
) -> None:
    called = []

    class Wrong(Upper):
        framing = wrong

        def opened(self) -> None:
            called.append("opened")

        def closed(self) -> None:
            called.append("closed")

    with serving(model, Wrong) as (server, heard):
        assert talk(server) == b""
        (end,) = heard.wait_for(RequestFinished)
    assert end.error is not None
    assert "FrameError" in end.error or "FrameTooLong" in end.error
    assert called == []


def test_closed_is_called_once_when_opened_fails(serving: Serving, model: str) -> None:
    called = []

    class Failing(Upper):
        def opened(self) -> None:
            raise ValueError("not today")

        def closed(self) -> None:
            called.append("closed")

    with serving(model, Failing) as (server, heard):
        assert talk(server) == b""
        (end,) = heard.wait_for(RequestFinished)
        assert end.outcome == "error"
    assert called == ["closed"]


def test_an_empty_answer_is_an_empty_frame(serving: Serving, model: str) -> None:
    class Same(MessageRequestHandler):
        framing = LengthFraming(1)

        def handle_message(self, message: bytes) -> bytes | None:
            return message

    with serving(model, Same) as (server, _):
        assert talk(server, b"\0\1a\0") == b"\0\1a\0"


def test_answers_to_one_read_go_out_in_one(serving: Serving, model: str) -> None:
    with serving(model, Upper) as (server, heard):
        assert talk(server, b"a\nb\nc\n") == b"A\nB\nC\n"
        (end,) = heard.wait_for(RequestFinished)
    assert [chunk.size for chunk in end.chunks if not chunk.inbound] == [6]


def test_what_is_sent_and_what_is_answered_keep_their_order(serving: Serving, model: str) -> None:
    class Telling(MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes | None:
            self.send(b"about " + message)
            self.send(b"to say")
            return message

    with serving(model, Telling) as (server, _):
        said = talk(server, b"1\n2\n")
    assert said.splitlines() == [b"about 1", b"to say", b"1", b"about 2", b"to say", b"2"]


def test_where_a_handler_may_block_what_it_sends_is_not_kept(
    serving: Serving, blocking: str
) -> None:
    heard_it = threading.Event()

    class Slow(MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes | None:
            if message == b"2":
                self.send(b"wait")
                assert heard_it.wait(DEADLINE_S)
            return message

    with serving(blocking, Slow) as (server, _), caller(server) as client:
        client.sendall(b"1\n2\n")
        got = b""
        while len(got) < len(b"1\nwait\n"):
            got += client.recv(100)
        assert got == b"1\nwait\n"
        heard_it.set()
        assert client.recv(100) == b"2\n"


def test_many_answers_do_not_pile_up_before_they_are_sent(serving: Serving, blocking: str) -> None:
    class Wordy(MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes | None:
            return b"x" * 40_000

    with serving(blocking, Wordy) as (server, heard), caller(server) as client:
        client.sendall(b"\n" * 100)
        client.shutdown(socket.SHUT_WR)
        assert len(read_all(client)) == 100 * 40_001
        (end,) = heard.wait_for(RequestFinished)
    assert max(chunk.size for chunk in end.chunks if not chunk.inbound) <= 3 * 40_001


def kept_in(made: queue.SimpleQueue[MessageRequestHandler]) -> type[Upper]:
    class Kept(Upper):
        def opened(self) -> None:
            made.put(self)

    return Kept


def test_close_by_another_thread_ends_a_silent_connection(serving: Serving, blocking: str) -> None:
    made: queue.SimpleQueue[MessageRequestHandler] = queue.SimpleQueue()
    with serving(blocking, kept_in(made)) as (server, heard), caller(server) as client:
        handler = made.get(timeout=DEADLINE_S)
        handler.send(b"farewell")
        handler.close()
        assert read_all(client) == b"farewell\n"
        (end,) = heard.wait_for(RequestFinished)
    assert end.outcome == "ok"


def test_close_by_another_thread_says_goodbye_over_tls(
    certificates: Certificates, socket_dir: Path
) -> None:
    made: queue.SimpleQueue[MessageRequestHandler] = queue.SimpleQueue()
    with (
        tls_watched(certificates, socket_dir, kept_in(made)) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        handler = made.get(timeout=DEADLINE_S)
        handler.send(b"farewell")
        handler.close()
        assert read_to_end(client) == b"farewell\n"
        (end,) = w.heard.wait_for(RequestFinished)
    assert end.outcome == "ok"


def test_the_end_ends_a_message_too(serving: Serving, model: str) -> None:
    class Serial(Upper):
        framing = IdleGapFraming(3600)

    with serving(model, Serial) as (server, _):
        assert talk(server, b"a", b"b") == b"AB"


@pytest.mark.parametrize("kind", ["tcp-threading", "tcp-pool", "tcp-event"])
def test_silence_and_other_threads_work_over_tls(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    class Serial(MessageRequestHandler):
        framing = IdleGapFraming(0.05)

        def handle_message(self, message: bytes) -> bytes | None:
            threading.Thread(target=self.send, args=(b"later",)).start()
            return message.upper()

    with (
        tls_watched(certificates, socket_dir, Serial, kind=kind) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        for _ in range(2):
            client.sendall(b"now")
            got = b""
            while len(got) < len(b"NOWlater"):
                got += client.recv(100)
            assert got in (b"NOWlater", b"laterNOW")


@pytest.mark.parametrize("kind", DATAGRAMS)
def test_a_datagram_is_a_message_as_it_is(serving: Serving, kind: str, socket_dir: Path) -> None:
    with serving(kind, Upper) as (server, heard):
        assert question(server, kind, socket_dir, b"one\ntwo\n") == b"ONE\nTWO\n"
        assert heard.wait_for(RequestFinished)[0].sent.prefix == b"ONE\nTWO\n"


@pytest.mark.parametrize("kind", DATAGRAMS)
def test_each_send_is_a_datagram_and_so_is_an_empty_answer(
    serving: Serving, kind: str, socket_dir: Path
) -> None:
    class Telling(MessageRequestHandler):
        framing = LengthFraming(2)

        def opened(self) -> None:
            self.send(b"opened")

        def handle_message(self, message: bytes) -> bytes | None:
            self.send(message)
            return b""

    with serving(kind, Telling) as (server, _), sender(server, socket_dir) as client:
        client.send(b"x")
        assert [client.recv(100) for _ in range(3)] == [b"opened", b"x", b""]


def test_a_client_without_an_address_is_sent_nothing(serving: Serving) -> None:
    with (
        serving("unix-datagram-single", Upper) as (server, heard),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unbound,
    ):
        unbound.sendto(b"x", server.address)
        (end,) = heard.wait_for(RequestFinished)
    assert (end.outcome, end.sent.total) == ("ok", 0)


@pytest.mark.parametrize("kind", ["TCP", "UnixStream"])
def test_it_runs_in_a_child_process(kind: str, socket_dir: Path) -> None:
    """The process of the test forks while it has one thread: the client is served in turn."""
    where: Any = str(socket_dir / "s") if kind == "UnixStream" else ("127.0.0.1", 0)
    with (
        getattr(sockcore, f"Forking{kind}Server")(where, Upper) as server,
        socket.socket(server.address_family) as client,
    ):
        client.settimeout(DEADLINE_S)
        client.connect(server.server_address)
        client.sendall(b"a\nb")
        client.shutdown(socket.SHUT_WR)
        server.handle_request()
        assert read_all(client) == b"A\nB\n"
