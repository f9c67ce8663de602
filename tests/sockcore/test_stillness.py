"""What counts of a silence: the time in which somebody listened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sockcore.stillness import Stillness

S = 1_000_000_000


def looked(first_s: float, *moments_s: float) -> Stillness:
    stillness = Stillness(int(first_s * S))
    for moment_s in moments_s:
        stillness.look(int(moment_s * S))
    return stillness


def test_a_process_that_goes_on_counts_everything() -> None:
    stillness = looked(100, 100.1, 100.9, 101.8)
    assert stillness.awake_s(50 * S, int(101.8 * S)) == 50


def test_a_stand_counts_for_nothing_and_neither_does_a_second_after_it() -> None:
    stillness = looked(100, 130)
    assert stillness.awake_s(30 * S, 130 * S) == 0
    assert stillness.awake_s(40 * S, 130 * S) == 10
    assert stillness.awake_s(31 * S, 131 * S) == 0
    assert stillness.awake_s(35 * S, 135 * S) == 4
    assert stillness.awake_s(3 * S, 135 * S) == 3


def test_stands_add_up() -> None:
    stillness = looked(100, 103, 103.5, 106)
    # Still from 100 to 103, excused to 104; still again from 103.5, which is excused already.
    assert stillness.awake_s(7 * S, 107 * S) == 0
    assert stillness.awake_s(9 * S, 109 * S) == 2


@given(st.lists(st.floats(0.05, 40), max_size=40), st.integers(0, 10**12), st.floats(0, 5))
def test_what_counts_is_no_more_than_there_was_and_never_less_than_nothing(
    pauses_s: list[float], lasted_ns: int, since_s: float
) -> None:
    moments = [1_000.0]
    for pause_s in pauses_s:
        moments.append(moments[-1] + pause_s)
    stillness = looked(*moments)
    now_ns = int((moments[-1] + since_s) * S)
    assert 0 <= stillness.awake_s(lasted_ns, now_ns) <= lasted_ns / 1e9
