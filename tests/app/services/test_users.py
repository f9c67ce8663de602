"""Users: what is taken for one, what changes alone, and that somebody stays an admin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import Conflict, Invalid, NotFound
from app.services.users import Users
from app.who import Who
from tests.app.services.accounts import HERE, PASSWORD, Accounts, opened

ADMIN = Who(kind="user", name="root", role="admin", address=HERE)
BODY: dict[str, object] = {"name": "ana", "role": "viewer", "password": PASSWORD}


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with opened(tmp_path) as made:
        yield made


@pytest.fixture
def users(accounts: Accounts) -> Users:
    return accounts.users


def faults(act: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        act()
    assert all(fault.detail.endswith(".") for fault in refused.value.fields)
    return [(fault.code, fault.field) for fault in refused.value.fields]


def last_admin(act: Callable[[], object]) -> None:
    with pytest.raises(Conflict, match="make another user one first") as refused:
        act()
    assert (refused.value.code, refused.value.field) == ("last_admin", None)


# -- making one -------------------------------------------------------------------------------


def test_one_is_made_with_a_hash_of_the_password(accounts: Accounts) -> None:
    made = accounts.users.create(BODY, ADMIN)
    assert accounts.users.get("ana") == made
    assert (made.name, made.role) == ("ana", "viewer")
    assert PASSWORD not in made.password
    assert accounts.passwords.matches(PASSWORD, made.password)
    (entry,) = accounts.audit.page(limit=9)
    assert (entry.who, entry.address, entry.what) == ("root", HERE, "user.create")
    assert (entry.target, entry.before, entry.after) == ("ana", None, {"role": "viewer"})


def test_all_of_them_come_by_name(accounts: Accounts) -> None:
    assert (accounts.users.all(), accounts.users.any()) == ([], False)
    for name in ("zoe", "ana", "leo"):
        accounts.user(name)
    assert [user.name for user in accounts.users.all()] == ["ana", "leo", "zoe"]
    assert accounts.users.any()


@pytest.mark.parametrize("name", ["a", "7", "a" * 64, "ana.b_c@lab-1", "A..-@"])
def test_a_name(users: Users, name: str) -> None:
    assert users.create({**BODY, "name": name}, ADMIN).name == name


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "a" * 65, ".ana", "-ana", "@ana", "ana b", " ana", "ana\n", "ana\0", "ana/b"),
        *("ána", "安", "\ud800", "<b>", "ana%20b"),
    ],
)
def test_what_is_no_name(users: Users, name: str) -> None:
    body = {**BODY, "name": name}
    assert faults(lambda: users.create(body, ADMIN)) == [("name_malformed", "name")]
    assert not users.any()


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": 7}, "wrong_type", "name"),
        ({"name": None}, "wrong_type", "name"),
        ({"role": "root"}, "unknown_role", "role"),
        ({"role": "Admin"}, "unknown_role", "role"),
        ({"role": ["admin"]}, "wrong_type", "role"),
        ({"password": "nine char"}, "password_length", "password"),
        ({"password": 1234567890}, "wrong_type", "password"),
        ({"servers": []}, "unknown_field", "servers"),
        ({"created_us": 0}, "unknown_field", "created_us"),
    ],
)
def test_a_wrong_field_is_named(
    accounts: Accounts, changes: dict[str, object], code: str, field: str
) -> None:
    body = {**BODY, **changes}
    assert faults(lambda: accounts.users.create(body, ADMIN)) == [(code, field)]
    assert (accounts.users.all(), accounts.acts()) == ([], [])


def test_every_wrong_field_is_told(users: Users) -> None:
    missing = [("missing_field", field) for field in ("name", "role", "password")]
    assert faults(lambda: users.create({}, ADMIN)) == missing
    wrong = {"name": "-", "role": "-", "password": "-", "-": "-"}
    assert [field for _, field in faults(lambda: users.create(wrong, ADMIN))] == [
        *("-", "name", "role", "password")
    ]


def test_a_name_is_taken_once_and_the_first_one_stays(accounts: Accounts) -> None:
    first = accounts.user("ana")
    with pytest.raises(Conflict, match="'ana'") as refused:
        accounts.user("ana", "admin")
    assert (refused.value.code, refused.value.field) == ("name_taken", "name")
    assert (accounts.users.all(), accounts.acts()) == ([first], ["user.create ana"])


# -- changing and deleting --------------------------------------------------------------------


def test_a_role_and_a_password_change_alone(accounts: Accounts) -> None:
    users, before = accounts.users, accounts.user()
    raised = users.change("ana", {"role": "operator"}, ADMIN)
    assert raised == users.get("ana") == dataclasses.replace(before, role="operator")
    changed = users.change("ana", {"password": "another long one"}, ADMIN)
    assert dataclasses.replace(changed, password=before.password) == raised
    assert accounts.passwords.matches("another long one", changed.password)
    password, role, _ = accounts.audit.page(limit=9)
    assert (role.before, role.after) == (
        {"role": "viewer"},
        {"role": "operator", "new_password": False},
    )
    assert (password.before, password.after) == (
        {"role": "operator"},
        {"role": "operator", "new_password": True},
    )


def test_nothing_to_change_changes_nothing(accounts: Accounts) -> None:
    made = accounts.user()
    secret = accounts.log_in()
    assert accounts.users.change("ana", {}, ADMIN) == made
    assert accounts.acts() == ["user.create ana", "session.begin ana"]
    assert accounts.sessions.find(secret, HERE) is not None


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"role": "root"}, "unknown_role", "role"),
        ({"role": None}, "wrong_type", "role"),
        ({"password": "short"}, "password_length", "password"),
        ({"password": None}, "wrong_type", "password"),
        ({"name": "leo"}, "unknown_field", "name"),
    ],
)
def test_a_wrong_change_changes_nothing(
    accounts: Accounts, body: dict[str, object], code: str, field: str
) -> None:
    made = accounts.user()
    assert faults(lambda: accounts.users.change("ana", body, ADMIN)) == [(code, field)]
    assert (accounts.users.get("ana"), len(accounts.acts())) == (made, 1)


def test_who_is_not_there_is_not_found(accounts: Accounts) -> None:
    users = accounts.users
    acts: list[Callable[[], object]] = [
        lambda: users.get("ana"),
        lambda: users.change("ana", {}, ADMIN),
        lambda: users.change("ana", {"role": "admin"}, ADMIN),
        lambda: users.remove("ana", ADMIN),
    ]
    for act in acts:
        with pytest.raises(NotFound, match="'ana'") as refused:
            act()
        assert refused.value.code == "user_not_found"
    assert accounts.acts() == []


def test_the_last_admin_stays_one(accounts: Accounts) -> None:
    users = accounts.users
    accounts.user("root", "admin")
    accounts.user("ana")
    last_admin(lambda: users.change("root", {"role": "operator"}, ADMIN))
    last_admin(lambda: users.remove("root", ADMIN))
    assert users.change("root", {"password": "another long one"}, ADMIN).role == "admin"
    users.change("ana", {"role": "admin"}, ADMIN)
    users.remove("root", ADMIN)
    last_admin(lambda: users.remove("ana", ADMIN))
    assert [(user.name, user.role) for user in users.all()] == [("ana", "admin")]
    assert accounts.acts()[-1] == "user.delete root"


# -- on the machine itself --------------------------------------------------------------------


def test_recovering_makes_an_admin_or_gives_a_password_alone(accounts: Accounts) -> None:
    users = accounts.users
    assert users.recover("rescue", PASSWORD)
    assert users.get("rescue").role == "admin"
    accounts.user("ana", "viewer")
    assert not users.recover("ana", "another long one")
    assert users.get("ana").role == "viewer"
    assert accounts.passwords.matches("another long one", users.get("ana").password)
    assert {entry.kind for entry in accounts.audit.page(limit=9)} == {"machine"}


def test_recovering_with_what_is_none_is_refused(accounts: Accounts) -> None:
    users, made = accounts.users, accounts.user()
    assert faults(lambda: users.recover("ana", "short")) == [("password_length", "password")]
    assert faults(lambda: users.recover("leo", "short")) == [("password_length", "password")]
    assert faults(lambda: users.recover("l o", PASSWORD)) == [("name_malformed", "name")]
    assert users.all() == [made]
