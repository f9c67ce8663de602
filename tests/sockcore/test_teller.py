"""Teller: what is put down is told in order, once, by one thread at a time, and soon enough."""

from __future__ import annotations

import logging
import threading

import pytest

from sockcore.events import AcceptResumed, Event
from sockcore.teller import _MANY, _TOO_MANY, Teller
from tests.waiting import DEADLINE_S, equal


def event(number: int) -> AcceptResumed:
    return AcceptResumed(server="s", at_us=0, failures=number)


def numbers(heard: list[Event]) -> list[int]:
    return [each.failures for each in heard if isinstance(each, AcceptResumed)]


def note(teller: Teller, *given: int) -> None:
    for number in given:
        teller.note((event, (number,)))


def test_nothing_is_told_until_asked_for() -> None:
    heard: list[Event] = []
    teller = Teller("s", heard.append)
    note(teller, 1, 2, 3)
    assert heard == []
    teller.tell()
    assert numbers(heard) == [1, 2, 3]
    teller.tell()
    assert numbers(heard) == [1, 2, 3]


def test_relief_comes_when_there_is_much() -> None:
    heard: list[Event] = []
    teller = Teller("s", heard.append)
    for number in range(_MANY - 1):
        note(teller, number)
        teller.relieve()
    assert heard == []
    note(teller, _MANY - 1)
    teller.relieve()
    assert numbers(heard) == list(range(_MANY))


def test_a_prompt_one_leaves_nothing() -> None:
    heard: list[Event] = []
    teller = Teller("s", heard.append)
    note(teller, 1)
    teller.be_prompt()
    assert numbers(heard) == [1]
    note(teller, 2)
    teller.relieve()
    assert numbers(heard) == [1, 2]


def test_a_sink_that_raises_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []

    def sink(each: Event) -> None:
        heard.append(each)
        raise RuntimeError("no")

    teller = Teller("hall", sink)
    note(teller, 1, 2, 3)
    with caplog.at_level(logging.ERROR, "sockcore"):
        teller.tell()
    assert numbers(heard) == [1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "hall: the event sink raised; told once"
    ]


def test_a_sink_may_have_us_tell_the_rest() -> None:
    heard: list[Event] = []

    def sink(each: Event) -> None:
        heard.append(each)
        teller.tell()

    teller = Teller("s", sink)
    note(teller, 1, 2, 3)
    teller.tell()
    assert numbers(heard) == [1, 2, 3]


def test_one_thread_tells_at_a_time_and_others_go_on() -> None:
    heard: list[Event] = []
    entered, leave = threading.Event(), threading.Event()

    def slow(each: Event) -> None:
        heard.append(each)
        entered.set()
        assert leave.wait(DEADLINE_S)

    teller = Teller("s", slow)
    note(teller, 0)
    telling = threading.Thread(target=teller.tell)
    telling.start()
    assert entered.wait(DEADLINE_S)
    note(teller, *range(1, _MANY + 1))
    teller.relieve()  # another one is at it: this thread is needed elsewhere
    assert numbers(heard) == [0]
    note(teller, *range(_MANY + 1, _TOO_MANY + 1))
    waiting = threading.Thread(target=teller.relieve)  # so many that it has to wait
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    leave.set()
    waiting.join(DEADLINE_S)
    telling.join(DEADLINE_S)
    equal(lambda: numbers(heard), list(range(_TOO_MANY + 1)))


def test_many_threads_lose_nothing_and_keep_their_order() -> None:
    heard: list[Event] = []
    teller = Teller("s", heard.append)

    def work(first: int) -> None:
        for number in range(first, first + 1000):
            note(teller, number)
            teller.relieve()

    threads = [threading.Thread(target=work, args=(n * 1000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    teller.tell()
    told = numbers(heard)
    assert sorted(told) == list(range(4000))
    for n in range(4):
        own = [number for number in told if number // 1000 == n]
        assert own == sorted(own)
