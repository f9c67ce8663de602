"""The panel's door: who is counted with whom, and who gives way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from app.crowd import crowd_of
from app.panel_door import Door, Fault, PanelLimits, plain
from tests.waiting import DEADLINE_S

LIMITS = PanelLimits(header_s=0.4, connections=4, per_address=2)


class Visitor:
    """A connection that does nothing."""

    def __init__(self, host: str) -> None:
        self.client: tuple[str, int] | None = (host, 1)
        self.gone = False

    def look(self, now: float) -> None:
        """It is never overdue."""

    def make_room(self) -> None:
        self.gone = True


def run(test: Callable[[Door], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(Door(LIMITS)), DEADLINE_S))


async def _time_goes_by() -> None:
    await asyncio.sleep(2 * LIMITS.header_s)


@pytest.mark.parametrize(
    ("host", "crowd"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
    ],
)
def test_whom_an_address_is_counted_with(host: str, crowd: str) -> None:
    assert crowd_of(host) == crowd


@pytest.mark.parametrize(
    ("told", "known"),
    [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
    ],
)
def test_who_comes_by_ipv4_is_known_by_that(told: str, known: str) -> None:
    assert plain((told, 80)) == (known, 80)
    assert plain(None) is None


def test_those_without_an_address_are_counted_together() -> None:
    assert crowd_of("") == ""


def test_bounds_of_one_address_and_of_all() -> None:
    async def test(door: Door) -> None:
        a = [Visitor("192.0.2.1") for _ in range(3)]
        assert [door.admit(one) for one in a] == [None, None, Fault.CROWD]
        b = [Visitor(f"192.0.2.{n}") for n in range(2, 5)]
        assert [door.admit(one) for one in b] == [None, None, Fault.FULL]
        assert door.closed == Counter({Fault.CROWD: 1, Fault.FULL: 1})
        door.leave(a[2])  # it was never in
        assert door.admit(Visitor("192.0.2.9")) == Fault.FULL
        door.leave(a[0])
        assert door.admit(Visitor("192.0.2.1")) is None

    run(test)


def test_who_waited_longest_gives_way_and_who_is_served_does_not() -> None:
    async def test(door: Door) -> None:
        served, waiting, later, last = (Visitor("192.0.2.1") for _ in range(4))
        door.admit(served)
        door.is_served(served)
        door.admit(waiting)
        await _time_goes_by()
        assert door.admit(later) is None
        assert (served.gone, waiting.gone) == (False, True)
        assert door.admit(last) == Fault.CROWD  # `later` has only just come
        door.waits(served)
        await _time_goes_by()
        assert door.admit(last) is None
        assert (served.gone, later.gone) == (False, True)

    run(test)


def test_of_all_who_wait_somebody_gives_way_when_it_is_full() -> None:
    async def test(door: Door) -> None:
        first, *others = (Visitor(f"192.0.2.{n}") for n in range(4))
        assert [door.admit(one) for one in (first, *others)] == [None] * 4
        await _time_goes_by()
        assert door.admit(Visitor("192.0.2.9")) is None
        assert first.gone
        assert not any(one.gone for one in others)

    run(test)


def test_it_looks_at_nobody_when_nobody_is_there() -> None:
    async def test(door: Door) -> None:
        visitor = Visitor("192.0.2.1")
        door.admit(visitor)
        door.leave(visitor)
        await asyncio.sleep(2 * LIMITS.look_s)
        before = door.now
        await asyncio.sleep(4 * LIMITS.look_s)
        assert door.now == before

    run(test)
