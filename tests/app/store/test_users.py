"""Users and sessions in the control database, each change in one transaction with its act."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import Conflict, NotFound
from app.store.audit import AuditTable
from app.store.database import FILE_NAME, Database
from app.store.users import SessionTable, UserTable
from app.who import Session, User
from tests.acts import ACT
from tests.app.store.samples import NOON_US

ROOT = User(name="root", role="admin", password="$argon2id$root", created_us=NOON_US + 1)
ANA = User(name="ana", role="viewer", password="$argon2id$密", created_us=NOON_US)
HERE = Session(
    id="aa" * 32,
    user="ana",
    created_us=NOON_US,
    seen_us=NOON_US + 5,
    address="192.0.2.1",
    agent="Mozilla/5.0 (温度)",
)
THERE = replace(HERE, id="bb" * 32, seen_us=NOON_US + 9, address="", agent="")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / FILE_NAME)) as opened:
        yield opened


@pytest.fixture
def users(database: Database) -> UserTable:
    return UserTable(database)


@pytest.fixture
def sessions(database: Database) -> SessionTable:
    return SessionTable(database)


def acts(database: Database) -> int:
    return len(AuditTable(database).page(limit=500))


# -- users ------------------------------------------------------------------------------------


def test_users_come_back_as_they_were_by_name(users: UserTable, database: Database) -> None:
    assert (users.all(), users.any(), users.get("ana")) == ([], False, None)
    for user in (ROOT, ANA):
        users.add(user, ACT)
    assert (users.all(), users.any()) == ([ANA, ROOT], True)
    assert users.get("ana") == ANA
    assert users.get("Ana") is None
    assert acts(database) == 2


def test_users_and_sessions_outlive_the_process(tmp_path: Path) -> None:
    with closing(Database(tmp_path / FILE_NAME)) as first:
        UserTable(first).add(ANA, ACT)
        SessionTable(first).add(HERE, ACT)
    with closing(Database(tmp_path / FILE_NAME)) as second:
        assert UserTable(second).all() == [ANA]
        assert SessionTable(second).get(HERE.id) == (HERE, "viewer")


def test_a_name_is_taken_once_and_what_was_refused_is_not_noted(
    users: UserTable, database: Database
) -> None:
    users.add(ANA, ACT)
    with pytest.raises(Conflict, match="'ana'") as refused:
        users.add(replace(ROOT, name="ana"), ACT)
    assert (refused.value.code, refused.value.field) == ("name_taken", "name")
    assert (users.all(), acts(database)) == ([ANA], 1)


def test_the_first_one_is_the_first_of_all(users: UserTable, database: Database) -> None:
    users.add(ROOT, ACT, first=True)
    for user in (ANA, ROOT):
        with pytest.raises(Conflict) as refused:
            users.add(user, ACT, first=True)
        assert refused.value.code == "users_exist"
    assert (users.all(), acts(database)) == ([ROOT], 1)


def test_of_many_first_ones_at_once_one_succeeds(users: UserTable, database: Database) -> None:
    def add(number: int) -> bool:
        try:
            users.add(replace(ROOT, name=f"root-{number}"), ACT, first=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(24))) == 1
    assert (len(users.all()), acts(database)) == (1, 1)


def test_what_is_none_stays_and_sessions_end(users: UserTable, sessions: SessionTable) -> None:
    users.add(ANA, ACT)
    for changes in ({"role": "operator"}, {"password": "new"}, {}):
        sessions.add(HERE, ACT)
        before = users.get("ana")
        assert before is not None
        users.change("ana", ACT, **changes)  # type: ignore[arg-type]
        assert users.get("ana") == replace(before, **changes)  # type: ignore[arg-type]
        assert sessions.all() == []


def test_sessions_of_others_stay(users: UserTable, sessions: SessionTable) -> None:
    users.add(ROOT, ACT)
    users.add(ANA, ACT)
    users.add(replace(ANA, name="ana-2"), ACT)
    for name in ("root", "ana", "ana-2"):
        sessions.add(replace(HERE, id=name, user=name), ACT)
    users.change("ana", ACT, password="new")
    assert {session.user for session in sessions.all()} == {"root", "ana-2"}
    users.remove("ana-2", ACT)
    assert [session.user for session in sessions.all()] == ["root"]


def test_without_the_last_admin_all_is_as_it_was(
    users: UserTable, sessions: SessionTable, database: Database
) -> None:
    users.add(ROOT, ACT)
    users.add(ANA, ACT)
    root = replace(HERE, user="root")
    sessions.add(root, ACT)
    changes: list[Callable[[], None]] = [
        lambda: users.change("root", ACT, role="operator", password="new"),
        lambda: users.remove("root", ACT),
    ]
    for change in changes:
        with pytest.raises(Conflict) as refused:
            change()
        assert refused.value.code == "last_admin"
        assert (users.all(), sessions.all(), acts(database)) == ([ANA, ROOT], [root], 3)
    users.change("root", ACT, role="admin", password="new")
    assert users.get("root") == replace(ROOT, password="new")


def test_where_nobody_is_an_admin_others_are_changed_all_the_same(users: UserTable) -> None:
    """As where the settings' token alone made users."""
    users.add(ANA, ACT)
    users.change("ana", ACT, role="operator", password="new")
    assert users.get("ana") == replace(ANA, role="operator", password="new")
    users.remove("ana", ACT)
    assert users.all() == []


def test_of_admins_who_all_leave_at_once_one_stays(users: UserTable) -> None:
    names = [f"root-{number}" for number in range(8)]
    for name in names:
        users.add(replace(ROOT, name=name), ACT)

    def leave(name: str) -> bool:
        try:
            if name.endswith(("1", "3", "5", "7")):
                users.remove(name, ACT)
            else:
                users.change(name, ACT, role="viewer")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(leave, names)) == 7
    assert [user.role for user in users.all()].count("admin") == 1


# -- sessions ---------------------------------------------------------------------------------


def test_sessions_come_back_as_they_were_the_one_seen_last_first(
    users: UserTable, sessions: SessionTable
) -> None:
    users.add(ROOT, ACT)
    users.add(ANA, ACT)
    root = replace(HERE, id="cc" * 32, user="root", seen_us=NOON_US + 7)
    for session in (HERE, THERE, root):
        sessions.add(session, ACT)
    assert sessions.all() == [THERE, root, HERE]
    assert sessions.all("ana") == [THERE, HERE]
    assert sessions.all("nobody") == []
    assert sessions.get(root.id) == (root, "admin")
    assert sessions.get("dd" * 32) is None


def test_that_it_was_seen_changes_alone(users: UserTable, sessions: SessionTable) -> None:
    users.add(ANA, ACT)
    sessions.add(HERE, ACT)
    sessions.add(THERE, ACT)
    sessions.seen(HERE.id, NOON_US + 99)
    sessions.seen("dd" * 32, NOON_US + 99)
    assert sessions.all() == [replace(HERE, seen_us=NOON_US + 99), THERE]


def test_one_that_ended_is_noted_and_one_that_was_not_there_is_not(
    users: UserTable, sessions: SessionTable, database: Database
) -> None:
    users.add(ANA, ACT)
    sessions.add(HERE, ACT)
    assert [sessions.remove(HERE.id, ACT) for _ in range(2)] == [True, False]
    assert (sessions.all(), acts(database)) == ([], 3)


def test_those_are_forgotten_that_are_too_old_in_one_way(
    users: UserTable, sessions: SessionTable
) -> None:
    users.add(ANA, ACT)
    for number, (created, seen) in enumerate([(10, 20), (9, 30), (30, 19), (11, 21)]):
        sessions.add(replace(HERE, id=str(number), created_us=created, seen_us=seen), ACT)
    sessions.remove_older(created_us=10, seen_us=20)
    assert [session.id for session in sessions.all()] == ["3", "0"]


def test_what_is_not_there_is_not_found_and_not_noted(
    users: UserTable, sessions: SessionTable, database: Database
) -> None:
    users.add(ROOT, ACT)
    changes: list[Callable[[], None]] = [
        lambda: users.change("ana", ACT, role="admin"),
        lambda: users.remove("ana", ACT),
        lambda: sessions.add(HERE, ACT),
    ]
    for change in changes:
        with pytest.raises(NotFound, match="'ana'") as refused:
            change()
        assert refused.value.code == "user_not_found"
    assert (users.all(), sessions.all(), acts(database)) == ([ROOT], [], 1)
