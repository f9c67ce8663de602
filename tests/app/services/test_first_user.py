"""How the first user comes to be: by the key of this start, within its window, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from app.errors import AppError, Forbidden
from app.services.users import SET_UP_S, Users
from tests.app.services.accounts import HERE, PASSWORD, Accounts, opened
from tests.app.services.test_users import faults


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def users(accounts: Accounts) -> Users:
    return accounts.users


def key_of(users: Users) -> str:
    key = users.set_up_key()
    assert key is not None
    return key


def closed(act: Callable[[], object]) -> str:
    with pytest.raises(Forbidden) as refused:
        act()
    return refused.value.code


def test_the_first_one_is_an_admin_from_where_it_was_made(accounts: Accounts) -> None:
    users = accounts.users
    made = users.set_up(key_of(users), {"name": "ana", "password": PASSWORD}, HERE)
    assert (users.get("ana"), made.role) == (made, "admin")
    (entry,) = accounts.audit.page(limit=9)
    assert (entry.who, entry.kind, entry.address) == ("ana", "user", HERE)
    assert (entry.what, entry.target) == ("user.set_up", "ana")


def test_each_start_has_a_key_of_its_own(accounts: Accounts) -> None:
    before, now = accounts.users, accounts.started_anew()
    assert key_of(before) != key_of(now)
    assert key_of(now) == key_of(now)
    assert closed(lambda: now.check_set_up(key_of(before))) == "setup_key"
    now.check_set_up(key_of(now))


@pytest.mark.parametrize("key", ["", "x", "ключ", "\ud800", "x" * 100_000])
def test_another_key_opens_nothing(users: Users, key: str) -> None:
    body = {"name": "ana", "password": PASSWORD}
    assert closed(lambda: users.check_set_up(key)) == "setup_key"
    assert closed(lambda: users.set_up(key, body, HERE)) == "setup_key"
    assert not users.any()


def test_who_is_there_closes_it_whatever_the_key_and_the_time(accounts: Accounts) -> None:
    users = accounts.users
    key = key_of(users)
    accounts.user()
    assert users.set_up_key() is None
    for moment in (0.0, SET_UP_S + 1.0):
        accounts.now_s = moment
        for shown in (key, "x"):
            assert closed(partial(users.check_set_up, shown)) == "setup_done"


def test_a_restart_opens_it_anew(accounts: Accounts) -> None:
    accounts.now_s = SET_UP_S
    assert closed(lambda: accounts.users.check_set_up("any")) == "setup_closed"
    again = accounts.started_anew()
    again.check_set_up(key_of(again))


def test_wrong_fields_leave_it_open(users: Users) -> None:
    key = key_of(users)
    assert faults(lambda: users.set_up(key, {}, HERE)) == [
        ("missing_field", "name"),
        ("missing_field", "password"),
    ]
    body = {"name": "ana", "role": "admin", "password": PASSWORD}
    assert faults(lambda: users.set_up(key, body, HERE)) == [("unknown_field", "role")]
    users.set_up(key, {"name": "ana", "password": PASSWORD}, HERE)


def test_of_many_at_once_one_is_the_first(users: Users) -> None:
    key = key_of(users)

    def choose(number: int) -> str:
        try:
            users.set_up(key, {"name": f"n{number}", "password": PASSWORD}, HERE)
        except AppError as refusal:
            return refusal.code
        return "made"

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(choose, range(8)))
    assert found.count("made") == 1
    assert set(found) <= {"made", "setup_done", "users_exist"}
    assert len(users.all()) == 1
