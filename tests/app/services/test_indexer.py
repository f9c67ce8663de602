"""Indexer: it works when there is time, yields when there is none, and outlives failures."""

from __future__ import annotations

import itertools
import logging
import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from app.log_facts import LogStats
from app.services import indexer
from app.services.indexer import Indexer
from app.store.requests import RequestStore
from tests.waiting import equal, eventually


class Blocks:
    """A store with so many blocks left to build."""

    def __init__(self, left: int, fails: int = 0) -> None:
        self.left, self.fails = left, fails
        self.asked = threading.Semaphore(0)

    def build_index(self) -> int:
        self.asked.release()
        if self.fails:
            self.fails -= 1
            raise OSError("disk full")
        if not self.left:
            return 0
        self.left -= 1
        return 10


_stored = itertools.count()


def stats(pending: int = 0, state: Any = "ok", stored: int | None = None) -> LogStats:
    """Something more is stored at each look, unless it is said how much."""
    stored = next(_stored) if stored is None else stored
    return LogStats(
        received=0, stored=stored, dropped=0, pending=pending, writer_lag_ms=0, state=state
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexer, "_LOOK_S", 0.01)


def running(blocks: Blocks, recorder: Any = stats) -> Indexer:
    made = Indexer(cast(RequestStore, blocks), recorder)
    made.start()
    return made


def test_everything_is_built() -> None:
    blocks = Blocks(5)
    made = running(blocks)
    equal(lambda: blocks.left, 0)
    blocks.left = 2  # more came
    equal(lambda: blocks.left, 0)
    made.stop(20)
    assert not made._thread.is_alive()


@pytest.mark.parametrize("busy", [stats(pending=2_000), stats(state="failed")])
def test_who_writes_comes_first(busy: LogStats) -> None:
    now = busy
    blocks = Blocks(3)
    asked = threading.Semaphore(0)

    def recorder() -> LogStats:
        asked.release()
        return now

    made = running(blocks, recorder)
    for _ in range(3):
        assert asked.acquire(timeout=20)
    assert blocks.left == 3
    now = stats()
    equal(lambda: blocks.left, 0)
    made.stop(20)


def test_in_a_flood_of_requests_it_waits() -> None:
    blocks, received = Blocks(10**9), itertools.count(0, 10**6)
    flood, looks = threading.Event(), threading.Semaphore(0)
    flood.set()

    def recorder() -> LogStats:
        looks.release()
        return replace(stats(), received=next(received) if flood.is_set() else 0)

    made = running(blocks, recorder)
    eventually(lambda: made._is_flood)  # its first look has nothing to compare with
    before = blocks.left
    while looks.acquire(blocking=False):
        pass
    for _ in range(30):
        assert looks.acquire(timeout=20)
    assert blocks.left == before > 0
    flood.clear()
    eventually(lambda: blocks.left < before)
    made.stop(20)


def test_a_failure_is_told_once_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    blocks = Blocks(2, fails=3)
    with caplog.at_level(logging.ERROR, "app.indexer"):
        made = running(blocks)
        equal(lambda: blocks.left, 0)
        made.stop(20)
    assert len([r for r in caplog.records if "index cannot be built" in r.getMessage()]) == 1


def test_while_nothing_is_stored_it_rests() -> None:
    blocks, looks = Blocks(2), threading.Semaphore(0)

    def recorder() -> LogStats:
        looks.release()
        return stats(stored=7)

    made = running(blocks, recorder)
    for _ in range(3):  # two blocks, and the look that finds no more
        assert blocks.asked.acquire(timeout=20)
    for _ in range(20):
        assert looks.acquire(timeout=20)
    made.stop(20)
    assert not blocks.asked.acquire(blocking=False)


def test_stopping_before_it_began_is_no_error() -> None:
    Indexer(cast(RequestStore, Blocks(0)), stats).stop(1)


def test_it_ends_amid_the_work() -> None:
    blocks = Blocks(10**9)
    made = running(blocks)
    eventually(lambda: blocks.left < 10**9)
    made.stop(20)
    assert not made._thread.is_alive()
