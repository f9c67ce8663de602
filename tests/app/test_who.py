"""Who acts: how far a role goes, what a token is for, and how the log calls them."""

from __future__ import annotations

from typing import get_args

import pytest

from app.who import LEAST, ROLES, SOCKPIT, Action, Role, Who

ACTIONS: tuple[Action, ...] = get_args(Action)


def who(role: Role, servers: frozenset[str] | None = None) -> Who:
    return Who(kind="token", name="ci", role=role, servers=servers)


def test_every_action_takes_some_role() -> None:
    assert set(LEAST) == set(ACTIONS)
    assert set(LEAST.values()) <= set(ROLES) == set(get_args(Role))


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", {"see", "see_all", "self"}),
        ("operator", {"see", "see_all", "self", "operate"}),
        ("admin", set(ACTIONS)),
    ],
)
def test_what_a_role_may(role: Role, may: set[Action]) -> None:
    assert {action for action in ACTIONS if who(role).may(action)} == may
    assert {action for action in ACTIONS if who(role).may_all(action)} == may


def test_each_role_may_what_those_before_it_may() -> None:
    may = [{action for action in ACTIONS if who(role).may(action)} for role in ROLES]
    assert may[0] < may[1] < may[2]


@pytest.mark.parametrize("servers", [frozenset[str](), frozenset({"one"})])
def test_one_for_some_servers_may_nothing_to_all_of_them(servers: frozenset[str]) -> None:
    some = who("admin", servers)
    assert some.may("administer")
    assert [action for action in ACTIONS if some.may_all(action)] == []


def test_who_is_for_some_servers_sees_those() -> None:
    assert who("viewer").sees("one")
    some = who("admin", frozenset({"one"}))
    assert [name for name in ("one", "two", "", "One", "one ") if some.sees(name)] == ["one"]
    assert not who("admin", frozenset()).sees("one")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (Who(kind="user", name="ana", role="viewer"), "ana"),
        (Who(kind="user", name="ana", role="viewer", address="::1"), "ana from ::1"),
        (
            Who(kind="token", name="ci", role="viewer", address="192.0.2.1"),
            "token ci from 192.0.2.1",
        ),
        (Who(kind="deployment", name="token", role="admin"), "deployment token"),
        (SOCKPIT, "machine sockpit"),
    ],
)
def test_how_they_are_called(one: Who, words: str) -> None:
    assert str(one) == words


def test_sockpit_itself_may_everything() -> None:
    assert all(SOCKPIT.may_all(action) for action in ACTIONS)
    assert SOCKPIT.sees("any at all")
