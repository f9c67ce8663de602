from __future__ import annotations

import re
import socket
import time
import tracemalloc
from pathlib import Path

import pytest

from app.domain import CONCURRENCIES, DATAGRAMS, STREAMS, Concurrency, OptionValue, Transport
from app.handlers.clock import ANSWER_LIMIT, Clock
from app.handlers.registry import HandlerRegistry
from app.services.kinds import KIND_CLASSES
from sockcore import BackgroundServer, RequestFinished
from tests.app.handlers.serving import (
    answers,
    connected,
    converse,
    datagram_client,
    server_at,
    serving,
)
from tests.waiting import eventually

STAMP = rb"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\]"
HOSTILE = bytes(range(256)) + b"<img src=x onerror=alert(1)>\n\nevent: x\0" + "你好".encode()


def made(key: str, transport: Transport, **options: OptionValue) -> type:
    return HandlerRegistry(Path("no such folder")).handler_class(key, transport, options)


@pytest.fixture(params=STREAMS)
def stream(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=DATAGRAMS)
def datagram(request: pytest.FixtureRequest) -> Transport:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("concurrency", CONCURRENCIES)
def test_echo_gives_a_stream_back_byte_for_byte(
    stream: Transport, concurrency: Concurrency, tmp_path: Path
) -> None:
    said = HOSTILE * 100
    with serving(stream, made("echo", stream), tmp_path, concurrency) as where:
        assert converse(where, said) == said


def test_echo_answers_before_the_client_is_done(stream: Transport, tmp_path: Path) -> None:
    with (
        serving(stream, made("echo", stream), tmp_path) as where,
        connected(where) as client,
    ):
        for said in (b"no newline", b"\0"):
            client.sendall(said)
            assert client.recv(100) == said


def test_echo_gives_each_datagram_back(datagram: Transport, tmp_path: Path) -> None:
    sent = [b"one", HOSTILE, b"\n", b"x" * 60_000]
    with (
        server_at(datagram, made("echo", datagram), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        assert answers(server, client, *sent) == sent


def test_echo_can_give_back_upper_case(
    stream: Transport, datagram: Transport, tmp_path: Path
) -> None:
    with serving(stream, made("echo", stream, upper=True), tmp_path) as where:
        assert converse(where, b"h\xc3\xa4 a1") == b"H\xc3\xa4 A1"
    other = tmp_path / "other"
    other.mkdir()
    with (
        server_at(datagram, made("echo", datagram, upper=True), other) as server,
        datagram_client(server, other) as client,
    ):
        assert answers(server, client, b"abc") == [b"ABC"]


def test_clock_answers_each_line_as_it_comes(stream: Transport, tmp_path: Path) -> None:
    with (
        serving(stream, made("clock", stream), tmp_path) as where,
        connected(where) as client,
        client.makefile("rb") as answered,
    ):
        for said, line in ((b"hello\r\n", b"hello"), (b"bare\n", b"bare"), (b"\n", b"")):
            client.sendall(said)
            answer = answered.readline()
            assert re.fullmatch(STAMP + b" " + re.escape(line) + b"\n", answer)
        client.sendall(b"no newline")
        client.shutdown(socket.SHUT_WR)
        assert re.fullmatch(STAMP + b" no newline\n", answered.read())


def test_clock_answers_the_lines_of_a_datagram_in_one(datagram: Transport, tmp_path: Path) -> None:
    with (
        server_at(datagram, made("clock", datagram), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        one, two = answers(server, client, b"hello", b"a\r\nb\n")
    assert re.fullmatch(STAMP + rb" hello\n", one)
    assert re.fullmatch(STAMP + rb" a\n" + STAMP + rb" b\n", two)


def test_clock_cuts_an_answer_that_no_datagram_can_hold(
    datagram: Transport, tmp_path: Path
) -> None:
    with (
        server_at(datagram, made("clock", datagram), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        (answer,) = answers(server, client, b"\n" * 8000)
    assert len(answer) == ANSWER_LIMIT


def test_clock_tells_utc_when_asked(stream: Transport, tmp_path: Path) -> None:
    with serving(stream, made("clock", stream, utc=True), tmp_path) as where:
        before = int(time.time())
        answer = converse(where, b"x\n")
        after = int(time.time())
    stamps = [time.asctime(time.gmtime(second)).encode() for second in range(before, after + 1)]
    assert answer in [b"[" + stamp + b"] x\n" for stamp in stamps]


def test_a_line_that_is_too_long_ends_the_talk_with_the_clock(
    stream: Transport, tmp_path: Path
) -> None:
    ends: list[RequestFinished] = []

    def sink(event: object) -> None:
        if isinstance(event, RequestFinished):
            ends.append(event)

    where = ("127.0.0.1", 0) if stream == "tcp" else str(tmp_path / "s")
    kind = KIND_CLASSES[stream, "pool"]
    server = BackgroundServer(lambda: kind(where, made("clock", stream)), sink=sink)
    with server, connected(server.address) as client:
        client.sendall(b"x" * (Clock.max_frame + 1))
        while client.recv(100):
            pass
        eventually(lambda: ends)
    assert "longer than the 65536 allowed" in str(ends[0].error)


@pytest.mark.parametrize("key", ["echo", "discard"])
def test_a_stream_without_end_costs_no_more_memory_as_it_grows(key: str, tmp_path: Path) -> None:
    block, blocks = b"x" * 65536, 256  # 16 MiB in all
    with (
        serving("tcp", made(key, "tcp"), tmp_path) as where,
        connected(where) as client,
    ):
        tracemalloc.start()
        try:
            for _ in range(blocks):
                client.sendall(block)
                # Taking the answers keeps the two in step, and is not measured itself.
                if key != "discard":
                    _take(client, len(block))
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 2 * 1024 * 1024


def _take(client: socket.socket, size: int) -> None:
    while size > 0:
        size -= len(client.recv(size))


def test_discard_reads_all_and_answers_nothing(stream: Transport, tmp_path: Path) -> None:
    with serving(stream, made("discard", stream), tmp_path) as where:
        assert converse(where, HOSTILE * 1000) == b""


def test_discard_sends_no_datagram_not_even_an_empty_one(
    datagram: Transport, tmp_path: Path
) -> None:
    with (
        server_at(datagram, made("discard", datagram), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        assert answers(server, client, b"one", b"") == []


@pytest.mark.parametrize("key", ["echo", "clock"])
def test_an_empty_datagram_gets_no_answer(key: str, datagram: Transport, tmp_path: Path) -> None:
    with (
        server_at(datagram, made(key, datagram), tmp_path) as server,
        datagram_client(server, tmp_path) as client,
    ):
        assert len(answers(server, client, b"", b"x")) == 1


@pytest.mark.parametrize("key", ["echo", "clock", "discard"])
def test_a_unix_client_without_an_address_is_no_error(key: str, tmp_path: Path) -> None:
    handler = made(key, "unix-datagram")
    with (
        server_at("unix-datagram", handler, tmp_path) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unbound,
    ):
        unbound.sendto(b"hello\n", str(server.server_address))
        server.handle_request()  # which raises what the handler raises
