"""The live feed: from any thread to every watcher, bounded, and never waiting for one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.services.live import QUEUE_LIMIT, Batch, LiveFeed, Notice
from tests.waiting import DEADLINE_S


def run(test: Callable[[LiveFeed], Coroutine[Any, Any, None]]) -> None:
    """Run `test` on a loop of its own, bounded in time."""
    asyncio.run(asyncio.wait_for(test(LiveFeed()), DEADLINE_S))


def notice(number: int = 1, server: str = "one") -> Notice:
    return Notice("connection.opened", server, connection_id=number, peer=f"peer {number}")


def ids(batch: Batch | None) -> list[int | None]:
    assert batch is not None
    return [n.connection_id for n in batch.notices]


def test_notices_come_in_order_and_once() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as watcher:
            feed.publish(notice(1), notice(2))
            feed.publish(notice(3))
            assert ids(await watcher.next_batch()) == [1, 2, 3]
            feed.publish(notice(4))
            assert ids(await watcher.next_batch()) == [4]

    run(test)


def test_every_watcher_gets_all() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as one, feed.subscribe() as other:
            feed.publish(notice(1))
            assert ids(await one.next_batch()) == ids(await other.next_batch()) == [1]

    run(test)


def test_watcher_of_one_server_gets_its_own_and_what_concerns_all() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe(frozenset({"one"})) as watcher:
            feed.publish(notice(1, "other"), notice(2, "one"), notice(3, ""), notice(4, "onerous"))
            assert ids(await watcher.next_batch()) == [2, 3]

    run(test)


def test_notices_of_others_do_not_wake_a_watcher() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe(frozenset({"one"})) as watcher:
            waiting = asyncio.create_task(watcher.next_batch())
            feed.publish(*[notice(1, "other")] * (QUEUE_LIMIT + 1))
            await asyncio.sleep(0)
            feed.publish(notice(2, "one"))
            batch = await waiting
            assert (ids(batch), batch and batch.missed) == ([2], 0)

    run(test)


def test_waiting_watcher_is_woken_from_another_thread() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as watcher:
            waiting = asyncio.create_task(watcher.next_batch())
            await asyncio.sleep(0)  # it waits now
            threading.Thread(target=feed.publish, args=(notice(7),)).start()
            assert ids(await waiting) == [7]

    run(test)


def test_nothing_is_lost_or_doubled_between_many_threads() -> None:
    async def test(feed: LiveFeed) -> None:
        count = 4
        each = QUEUE_LIMIT // count
        with feed.subscribe() as watcher, ThreadPoolExecutor(count) as pool:
            for base in range(count):
                for number in range(each):
                    pool.submit(feed.publish, notice(base * each + number))
            seen: list[int | None] = []
            while len(seen) < count * each:
                batch = await watcher.next_batch()
                seen += ids(batch)
                assert batch is not None
                assert batch.missed == 0
            assert sorted(number for number in seen if number is not None) == list(
                range(count * each)
            )

    run(test)


def test_burst_comes_as_one_batch() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as watcher:
            feed.publish(notice(1))
            waiting = asyncio.create_task(watcher.next_batch(pause_s=0.05))
            await asyncio.sleep(0)
            feed.publish(notice(2))
            assert ids(await waiting) == [1, 2]

    run(test)


def test_slow_watcher_keeps_the_first_and_is_told_how_many_it_missed() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as watcher:
            feed.publish(*(notice(number) for number in range(QUEUE_LIMIT + 5)))
            feed.publish(notice(-1))
            batch = await watcher.next_batch()
            assert ids(batch) == list(range(QUEUE_LIMIT))
            assert batch is not None
            assert batch.missed == 6
            feed.publish(notice(9))
            assert await watcher.next_batch() == Batch((notice(9),), 0)

    run(test)


def test_slow_watcher_takes_nothing_from_the_others() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe(), feed.subscribe() as quick:
            for number in range(3):
                feed.publish(*[notice(number)] * QUEUE_LIMIT)
                batch = await quick.next_batch()
                assert batch is not None
                assert (len(batch.notices), batch.missed) == (QUEUE_LIMIT, 0)

    run(test)


def test_end_of_the_feed_ends_every_watcher() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as one, feed.subscribe() as other:
            waiting = asyncio.create_task(one.next_batch())
            await asyncio.sleep(0)
            threading.Thread(target=feed.close).start()
            assert await waiting is None
            assert await other.next_batch() is None

    run(test)


def test_watcher_that_comes_after_the_end_ends_at_once() -> None:
    async def test(feed: LiveFeed) -> None:
        feed.close()
        feed.publish(notice(1))
        with feed.subscribe() as late:
            assert await late.next_batch() is None
        assert feed.watchers == 0

    run(test)


def test_end_cuts_a_pause_short() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe() as watcher:
            feed.publish(notice(1))
            feed.close()
            assert await watcher.next_batch(pause_s=10 * DEADLINE_S) is None

    run(test)


def test_watcher_that_leaves_is_forgotten() -> None:
    async def test(feed: LiveFeed) -> None:
        with feed.subscribe():
            assert feed.watchers == 1
        assert feed.watchers == 0

    run(test)


def test_watcher_whose_loop_has_ended_is_forgotten() -> None:
    feed = LiveFeed()

    async def leave() -> None:
        feed.subscribe()

    asyncio.run(leave())
    assert feed.watchers == 1
    feed.publish(notice(1))
    assert feed.watchers == 0


@pytest.mark.parametrize("closed", [False, True])
def test_publishing_to_nobody_is_nothing(closed: bool) -> None:
    feed = LiveFeed()
    if closed:
        feed.close()
    feed.publish(notice(1))
    feed.publish()
