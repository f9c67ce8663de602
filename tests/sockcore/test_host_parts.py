"""The parts of hosting that stand alone: the channel, the outbox, the ends of what was open."""

from __future__ import annotations

import logging
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sockcore import (
    Bytes,
    Chunk,
    ConnectionClosed,
    ConnectionInfo,
    ConnectionOpened,
    Event,
    Limits,
    RequestFinished,
    RequestProgressed,
    Totals,
)
from sockcore.host_errors import failure, raised
from sockcore.host_open import StillOpen
from sockcore.host_restarts import Deaths, Restarts
from sockcore.host_stderr import HostStderr
from sockcore.outbox import Outbox, Standing, send_all
from sockcore.wire import Channel, packed
from tests.sockcore.serving import join
from tests.waiting import eventually


def progressed(request_id: int, data: bytes = b"a") -> RequestProgressed:
    return RequestProgressed(
        server="s",
        run_id="r",
        request_id=request_id,
        connection_id=request_id,
        peer="p",
        started_us=1,
        duration_us=2,
        received=Bytes(data, len(data)),
        sent=Bytes(),
        chunks=(Chunk(True, 0, len(data)),),
    )


def finished(request_id: int) -> RequestFinished:
    return RequestFinished(
        server="s",
        run_id="r",
        request_id=request_id,
        connection_id=request_id,
        peer="p",
        started_us=1,
        duration_us=2,
        received=Bytes(),
        sent=Bytes(),
        chunks=(),
        outcome="ok",
        closed_by="client",
    )


def opened(connection_id: int) -> ConnectionOpened:
    return ConnectionOpened(server="s", connection_id=connection_id, peer="p", at_us=1)


def info(connection_id: int, bytes_in: int = 0, idle_s: float = 0.0) -> ConnectionInfo:
    return ConnectionInfo(
        id=connection_id,
        peer="p",
        opened_us=1,
        idle_s=idle_s,
        bytes_in=bytes_in,
        bytes_out=0,
        fileno=5,
        thread=None,
        last_bytes=b"",
    )


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Channel]]:
    channels = [Channel(sock) for sock in socket.socketpair()]
    yield channels[0], channels[1]
    for channel in channels:
        channel.close()


class Evil:
    def __reduce__(self) -> Any:
        return os.getcwd, ()


def test_every_kind_of_value_crosses_as_it_was(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    message = (
        "all",
        [opened(1), progressed(1), finished(1)],
        Totals(connections=1),
        [info(1)],
        Limits(idle_timeout_s=1.5),
        ("::1", 5, 0, 0),
        b"\0abstract",
        None,
        {"a": [1.5, True]},
    )
    here.send(*message)
    assert there.receive(20) == message


@pytest.mark.parametrize("evil", [Evil(), OSError(1), Evil])
def test_the_parent_makes_nothing_else(ends: tuple[Channel, Channel], evil: object) -> None:
    here, there = ends
    here.send("events", [evil])
    with pytest.raises(pickle.UnpicklingError, match="is none of ours"):
        there.receive(20)


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff\xff", b"\0\0\0\1.", b"\0\0\0\1K", packed(("x",))[:-1] + b"q"]
)
def test_nonsense_is_told_as_such(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        with pytest.raises(pickle.UnpicklingError):
            Channel(ours).receive(20)


def test_a_message_in_pieces_is_waited_for_until_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel, data = Channel(ours), packed(("word", 1))
        assert channel.receive_ready() == []
        theirs.sendall(data[:7])
        assert channel.receive_ready() == []
        with pytest.raises(TimeoutError):
            channel.receive(0.01)
        theirs.sendall(data[7:] + data)
        assert channel.receive_ready() == [("word", 1), ("word", 1)]
        theirs.close()
        assert channel.receive_ready() is None
        assert channel.receive(20) is None


def test_who_takes_nothing_is_given_up(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.give_up_sending_after(1)
    with pytest.raises(OSError, match="unavailable"):
        here.send(b"x" * 20_000_000)
    assert there.receive(20) is None  # and finds out, instead of half a message


def test_who_hears_no_more_can_still_speak(ends: tuple[Channel, Channel]) -> None:
    here, there = ends
    here.hear_no_more()
    assert here.receive(20) is None
    with pytest.raises(BrokenPipeError):
        there.send("stop")
    here.send("last words")
    assert there.receive(20) == ("last words",)


def taken(outbox: Outbox) -> list[Event]:
    events: list[Event] = []
    while (message := outbox.take()) is not None:
        events += message[1]
    return events


def test_of_an_open_request_only_the_latest_news_waits() -> None:
    outbox = Outbox()
    for event in (opened(1), progressed(1), opened(2), progressed(1, b"ab"), progressed(2)):
        outbox(event)
    outbox(finished(2))
    assert taken(outbox) == [opened(1), progressed(1, b"ab"), opened(2), finished(2)]
    outbox(progressed(1, b"abc"))
    assert taken(outbox) == [progressed(1, b"abc")]


def test_without_room_news_goes_first_and_losses_are_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outbox = Outbox(most_events=3)
    for event in (opened(1), progressed(1), progressed(2), progressed(3)):
        outbox(event)
    for number in (2, 3, 4):
        outbox(opened(number))
    assert taken(outbox) == [opened(1), opened(2), opened(3)]
    assert "1 events and 3 news of open requests are lost" in caplog.text
    outbox(opened(5))
    assert taken(outbox) == [opened(5)]


def test_bytes_are_bounded_too() -> None:
    outbox = Outbox(most_bytes=100_000)
    for number in range(100):
        outbox(progressed(number, b"x" * 30_000))
    outbox(opened(1))
    assert len(taken(outbox)) == 4
    outbox(progressed(1, b"x" * 90_000))  # what was taken made room
    assert len(taken(outbox)) == 1


def test_words_come_before_events_and_batches_are_small() -> None:
    outbox = Outbox()
    for number in range(1200):
        outbox(opened(number))
    outbox.say("answer", 1, True)
    assert outbox.take() == ("answer", 1, True)
    sizes = [len(message[1]) for message in iter(outbox.take, None)]
    assert sizes == [500, 500, 200]


def test_a_parent_that_does_not_read_holds_up_the_sender_alone(
    ends: tuple[Channel, Channel],
) -> None:
    here, there = ends
    outbox = Outbox()
    standing = Standing(Totals, list)
    sender = threading.Thread(target=send_all, args=(outbox, standing, here))
    sender.start()
    for number in range(30_000):  # megabytes more than a socket pair takes
        outbox(opened(number))
    outbox.end()
    assert sender.is_alive()
    heard: list[Event] = []
    while len(heard) < 30_000:
        message = there.receive(20)
        assert message is not None
        heard += message[1] if message[0] == "events" else []
    assert heard == [opened(number) for number in range(30_000)]
    join(sender)


def test_how_it_stands_is_told_when_it_changed() -> None:
    now = [info(1)]
    standing = Standing(lambda: Totals(connections=len(now)), lambda: list(now))
    assert standing.due_s == 0
    assert standing.news() == ("standing", Totals(connections=1), [info(1)])
    assert 0 < standing.due_s <= 0.2
    now[0] = info(1, idle_s=9.0)
    assert standing.news() is None
    now[0] = info(1, bytes_in=5)
    assert standing.news() == ("standing", Totals(connections=1), [info(1, bytes_in=5)])
    now.extend(info(number) for number in range(2, 203))
    standing.news()
    assert standing.due_s > 0.5


def test_still_open_ends_what_was_not_told() -> None:
    still = StillOpen()
    known = (opened(1), opened(2), opened(3), progressed(2, b"abc"), progressed(3), finished(3))
    closed = ConnectionClosed(server="s", connection_id=3, peer="p", at_us=2, closed_by="client")
    for event in (*known, closed):
        still.note(event)
    assert (1 in still, 3 in still, still.requests) == (True, False, 1)
    first, second, end = still.ends("it died")
    assert isinstance(first, ConnectionClosed)
    assert isinstance(second, ConnectionClosed)
    assert isinstance(end, RequestFinished)
    assert (first.connection_id, second.connection_id, end.request_id) == (1, 2, 2)
    assert (end.outcome, end.error, end.received.prefix) == ("error", "it died", b"abc")
    assert end.received.sha256.hex().startswith("ba7816bf")
    assert list(still.ends("again")) == []


def test_nobody_invents_the_digest_of_bytes_that_were_not_kept() -> None:
    still = StillOpen()
    still.note(replace(progressed(1), received=Bytes(b"abc", 4)))
    (end,) = still.ends("it died")
    assert isinstance(end, RequestFinished)
    assert end.received == Bytes(b"abc", 4, b"")


@pytest.mark.parametrize(
    "error",
    [
        OSError(98, "Address already in use"),
        OSError(98, "no allowed port is free"),
        FileNotFoundError(2, "No such file or directory", "/nowhere"),
        socket.gaierror(-2, "Name or service not known"),
        ValueError("odd"),
    ],
)
def test_errors_come_as_they_were(error: Exception) -> None:
    word, kind, text, system = pickle.loads(pickle.dumps(failure(error)))
    assert word == "failed"
    again = raised(kind, text, system)
    assert type(again) is type(error)
    assert (str(again), again.args) == (str(error), error.args)


def test_deaths_double_the_pause_until_there_are_too_many() -> None:
    deaths = Deaths(Restarts(longest_s=5.0))
    pauses = [deaths.count("it died") for _ in range(5)]
    assert [pause_s for pause_s, _ in pauses] == [1.0, 2.0, 4.0, 5.0, None]
    assert pauses[1][1] == "it died; started again in 2 s"
    assert pauses[4][1] == "it died; given up after 5 times in 60 s"
    assert Deaths(Restarts(within_s=0.0, most=2)).count("x")[0] == 1.0


def test_a_flood_on_stderr_is_cut_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    stderr = HostStderr("noisy")
    stderr.theirs.sendall(b"line\n" * 500 + b"last\n")
    with socket.fromfd(stderr.theirs.fileno(), socket.AF_UNIX, socket.SOCK_STREAM):
        eventually(lambda: stderr.last_line == "last")
        stderr.close()  # though somebody could still write
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0] == "noisy: line"
    assert texts[-1].endswith("lines more")
    assert len(texts) < 500
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
