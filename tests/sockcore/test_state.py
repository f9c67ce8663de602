"""States and the moves between them: the table, from both sides."""

from __future__ import annotations

from itertools import product

import pytest

from sockcore import ServerState, StateError
from sockcore.state import check_move

LEGAL = {
    ("stopped", "starting"),
    ("starting", "running"),
    ("starting", "failed"),
    ("running", "stopping"),
    ("running", "failed"),
    ("stopping", "stopped"),
    ("failed", "starting"),
    ("failed", "stopped"),
}
PAIRS = [(now.value, then.value) for now, then in product(ServerState, repeat=2)]


@pytest.mark.parametrize(("now", "then"), [pair for pair in PAIRS if pair in LEGAL])
def test_legal_move(now: str, then: str) -> None:
    check_move(ServerState(now), ServerState(then))


@pytest.mark.parametrize(("now", "then"), [pair for pair in PAIRS if pair not in LEGAL])
def test_illegal_move_names_both_states(now: str, then: str) -> None:
    with pytest.raises(StateError, match=f"is {now} cannot become {then}"):
        check_move(ServerState(now), ServerState(then))


def test_every_state_can_be_reached_and_left() -> None:
    every = {state.value for state in ServerState}
    assert {now for now, _ in LEGAL} == {then for _, then in LEGAL} == every
