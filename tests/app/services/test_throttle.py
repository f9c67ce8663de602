"""Failed logins: how many of one name and of one address, until when, and what is forgotten."""

from __future__ import annotations

import math

import pytest

from app.errors import TooMany, Unauthorized
from app.services.throttle import Throttle
from tests.app.services.accounts import HERE, THERE

ONE, ALL = 10, 100
WINDOW_S = 900.0


class NotChecked(Exception):
    """It might have been tried, and was not."""


class Clock:
    """Stands in for the module `time`; says `now`."""

    now = 1_773_489_600.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in ("app.services.throttle", "limits.storage.memory"):
        monkeypatch.setattr(f"{module}.time", made)
    return made


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle()


def fail(throttle: Throttle, times: int, name: str = "ana", address: str = HERE) -> None:
    for _ in range(times):
        with pytest.raises(Unauthorized), throttle.attempt(name, address):
            raise Unauthorized("wrong_login", "It is wrong.")


def get_in(throttle: Throttle, name: str = "ana", address: str = HERE) -> None:
    with throttle.attempt(name, address):
        pass


def waits(throttle: Throttle, name: str = "ana", address: str = HERE) -> int:
    """Seconds; 0 when it may be tried."""
    try:
        with throttle.attempt(name, address):
            raise NotChecked
    except NotChecked:
        return 0
    except TooMany as error:
        refusal = error
    assert refusal.code == "too_many_logins"
    assert f"in {math.ceil(refusal.retry_after_s / 60)} min." in refusal.detail
    return refusal.retry_after_s


def test_the_eleventh_waits_and_others_do_not(throttle: Throttle) -> None:
    fail(throttle, ONE - 1)
    assert waits(throttle) == 0
    fail(throttle, 1)
    assert waits(throttle) == WINDOW_S
    assert waits(throttle, "leo") == waits(throttle, "") == 0
    assert waits(throttle, address=THERE) == 0


def test_asking_counts_for_nothing(throttle: Throttle) -> None:
    for _ in range(ALL):
        assert waits(throttle) == 0
    fail(throttle, ONE)
    for _ in range(ONE):
        assert waits(throttle) == WINDOW_S


def test_the_window_moves_on(throttle: Throttle, clock: Clock) -> None:
    """It is open as soon as the first of ten is older than a quarter of an hour."""
    fail(throttle, 1)
    clock.now += 600
    fail(throttle, ONE - 1)
    assert waits(throttle) == 300
    clock.now += 299.5
    assert waits(throttle) == 1, "not half a second"
    clock.now += 1
    fail(throttle, 1)
    assert waits(throttle) == 600, "until the second one is as old"
    clock.now += WINDOW_S + 1
    fail(throttle, ONE - 1)
    assert waits(throttle) == 0, "all of before is forgotten"


def test_names_from_one_address_are_counted_together(throttle: Throttle) -> None:
    for number in range(ALL):
        fail(throttle, 1, f"nobody-{number}")
    assert waits(throttle, "ana") == WINDOW_S
    assert waits(throttle, "ana", THERE) == 0


def test_who_gets_in_begins_anew_but_the_address_does_not(throttle: Throttle) -> None:
    for _ in range(ALL // (ONE - 1)):
        fail(throttle, ONE - 1)
        get_in(throttle)
    fail(throttle, 1)
    assert waits(throttle) == WINDOW_S
    assert waits(throttle, "leo") == WINDOW_S
    assert waits(throttle, address=THERE) == 0


def test_who_gets_in_forgets_nothing_of_others(throttle: Throttle) -> None:
    fail(throttle, ONE)
    get_in(throttle, "leo", HERE)
    get_in(throttle, "ana", THERE)
    assert waits(throttle) == WINDOW_S


def test_of_a_long_name_only_its_begin_is_kept(throttle: Throttle) -> None:
    """A user has 64 characters at most: a name of a megabyte is nobody's, and is not kept."""
    long = "n" * 64
    for number in range(ONE - 1):
        fail(throttle, 1, f"{long}{number}" * 1_000)
    get_in(throttle, f"{long}!", HERE)
    for number in range(ONE):
        assert waits(throttle, long) == 0
        fail(throttle, 1, f"{long}{number}" * 1_000)
    assert waits(throttle, f"{long} and another end") == WINDOW_S
    kept = throttle._limiter.storage
    assert max(map(len, kept.events)) < 200  # type: ignore[attr-defined]


def test_a_name_is_not_taken_for_a_name_and_an_address(throttle: Throttle) -> None:
    fail(throttle, ONE, f"ana/{THERE}", HERE)
    assert waits(throttle, f"ana/{THERE}", HERE) == WINDOW_S
    for name, address in (("ana", THERE), ("ana", HERE), (THERE, HERE)):
        assert waits(throttle, name, address) == 0
