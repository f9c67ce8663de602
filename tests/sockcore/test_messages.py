"""MessageRequestHandler: the same class under every model."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    IdleGapFraming,
    LengthFraming,
    MessageRequestHandler,
    RequestFinished,
)
from tests.sockcore.watching import LOOPBACK, Heard
from tests.waiting import equal

STREAMS = {
    "single": sockcore.TCPServer,
    "threading": sockcore.ThreadingTCPServer,
    "pool": sockcore.PoolTCPServer,
    "event": sockcore.EventTCPServer,
}
DATAGRAMS = {
    "single": sockcore.UDPServer,
    "threading": sockcore.ThreadingUDPServer,
    "pool": sockcore.PoolUDPServer,
}


@pytest.fixture(params=STREAMS.values(), ids=STREAMS)
def model(request: pytest.FixtureRequest) -> Any:
    return request.param


class Upper(MessageRequestHandler):
    def handle_message(self, message: bytes) -> bytes | None:
        return message.upper() or None


@contextlib.contextmanager
def serving(
    server_class: type[sockcore.TCPServer], handler: Any
) -> Iterator[tuple[BackgroundServer, Heard]]:
    class Quiet(server_class):  # type: ignore[misc, valid-type]
        def handle_error(self, request: object, client_address: object) -> None:
            """The observer has it."""

    heard = Heard()
    with BackgroundServer(lambda: Quiet(LOOPBACK, handler), sink=heard) as server:
        yield server, heard


def talk(server: BackgroundServer, *pieces: bytes) -> bytes:
    """Send, end, and read to the end."""
    with socket.create_connection(server.address, timeout=20) as client:
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


def test_each_message_is_answered_in_order(model: Any) -> None:
    with serving(model, Upper) as (server, _):
        assert talk(server, b"a\nb\r\n\nc", b"d\ne") == b"A\nB\nCD\nE\n"


def test_framing_frames_both_ways(model: Any) -> None:
    class Sized(Upper):
        framing = LengthFraming(2, "little")

    with serving(model, Sized) as (server, _):
        assert talk(server, b"\x02", b"\0ab\x01\0c\x05") == b"\x02\0AB\x01\0C"


def test_opened_speaks_first_and_closed_is_called_once(model: Any) -> None:
    closed = []

    class Greeting(Upper):
        def opened(self) -> None:
            self.send(b"hello")

        def closed(self) -> None:
            closed.append(self.client_address)

    with serving(model, Greeting) as (server, heard):
        with socket.create_connection(server.address, timeout=20) as client:
            assert client.recv(10) == b"hello\n"
        heard.wait_for(RequestFinished)
        equal(lambda: len(closed), 1)


def test_setup_and_finish_enclose_it(model: Any) -> None:
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


def test_what_was_answered_before_an_error_goes_out(model: Any) -> None:
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


def test_a_frame_too_long_ends_the_connection_with_a_clear_error(model: Any) -> None:
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


def test_close_ends_it_from_our_side(model: Any) -> None:
    class Leaving(Upper):
        def handle_message(self, message: bytes) -> bytes | None:
            if message == b"bye":
                self.close()
            return message

    with serving(model, Leaving) as (server, heard):
        with socket.create_connection(server.address, timeout=20) as client:
            client.sendall(b"a\nbye\nb\n")
            assert read_all(client) == b"a\nbye\n"
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.closed_by) == ("ok", "handler")


def test_another_thread_may_send(model: Any) -> None:
    class Later(Upper):
        def handle_message(self, message: bytes) -> bytes | None:
            threading.Thread(target=self.send, args=(message * 2,)).start()
            return None

    with (
        serving(model, Later) as (server, _),
        socket.create_connection(server.address, timeout=20) as client,
    ):
        client.sendall(b"ab\n")
        assert client.recv(10) == b"abab\n"


def test_silence_ends_a_message(model: Any) -> None:
    class Serial(Upper):
        framing = IdleGapFraming(0.05)

    with (
        serving(model, Serial) as (server, _),
        socket.create_connection(server.address, timeout=20) as client,
    ):
        for message in (b"one", b"two"):
            client.sendall(message[:1])
            client.sendall(message[1:])
            got = b""
            while len(got) < 3:
                got += client.recv(10)
            assert got == message.upper()


def test_a_large_answer_reaches_a_slow_reader(model: Any) -> None:
    class Large(MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes | None:
            return message * 4_000_000

    with (
        serving(model, Large) as (server, _),
        socket.create_connection(server.address, timeout=20) as client,
    ):
        client.sendall(b"x\n")
        time.sleep(0.05)  # so that the server meets a full buffer
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"x" * 4_000_000 + b"\n"


def test_send_after_the_end_is_refused() -> None:
    made: list[MessageRequestHandler] = []

    class Kept(Upper):
        def opened(self) -> None:
            made.append(self)

    with serving(sockcore.ThreadingTCPServer, Kept) as (server, heard):
        assert talk(server, b"a\n") == b"A\n"
        heard.wait_for(RequestFinished)
    with pytest.raises(ConnectionError, match="not connected"):
        made[0].send(b"late")


@pytest.mark.parametrize("server_class", DATAGRAMS.values(), ids=DATAGRAMS)
def test_a_datagram_is_a_message_as_it_is(server_class: Any) -> None:
    with (
        serving(server_class, Upper) as (server, heard),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.connect(server.address)
        client.settimeout(20)
        client.send(b"one\ntwo\n")
        assert client.recv(100) == b"ONE\nTWO\n"
        assert heard.wait_for(RequestFinished)[0].sent.prefix == b"ONE\nTWO\n"
