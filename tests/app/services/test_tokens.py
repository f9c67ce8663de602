"""Tokens: what is taken for one, whose a secret is, until when, and what is kept of it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import Invalid, NotFound, Unavailable
from app.services.sessions import digest
from app.services.tokens import PREFIX, Tokens
from app.who import Token, Who
from tests.app.services.accounts import DEPLOYED, HERE, THERE, Accounts, opened
from tests.app.store.samples import DAY_US, NOON_US

ADMIN = Who(kind="user", name="root", role="admin", address=HERE)
MINUTE_US = 60_000_000


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with opened(tmp_path) as made:
        yield made


def make(accounts: Accounts, **body: object) -> tuple[Token, str]:
    return accounts.tokens.make({"name": "ci", "role": "viewer", **body}, ADMIN)


def faults(act: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        act()
    assert all(fault.detail.endswith(".") for fault in refused.value.fields)
    return [(fault.code, fault.field) for fault in refused.value.fields]


# -- making one -------------------------------------------------------------------------------


def test_one_for_all_servers_and_for_good(accounts: Accounts) -> None:
    made, secret = make(accounts)
    assert accounts.tokens.all() == [made]
    assert (made.name, made.role, made.servers) == ("ci", "viewer", None)
    assert (made.created_us, made.created_by) == (NOON_US, "root")
    assert (made.expires_us, made.used_us) == (None, None)
    assert re.fullmatch("[0-9a-f]{12}", made.id)
    assert secret.startswith(PREFIX)
    assert len(secret) == len(PREFIX) + 43
    assert accounts.token_table.by_secret(digest(secret)) == made


def test_one_for_some_servers_and_some_days(accounts: Accounts) -> None:
    made, _ = make(accounts, servers=["two", "one", "two"], days=7)
    assert made.servers == ("two", "one")
    assert made.expires_us == NOON_US + 7 * DAY_US
    (entry,) = accounts.audit.page(limit=9)
    assert (entry.what, entry.target, entry.who) == ("token.make", "ci", "root")
    assert entry.after == {"role": "viewer", "servers": ["two", "one"], "days": 7}


def test_null_is_as_left_out(accounts: Accounts) -> None:
    made, _ = make(accounts, servers=None, days=None)
    assert (made.servers, made.expires_us) == (None, None)


def test_the_audit_has_neither_a_secret_nor_its_digest(accounts: Accounts) -> None:
    made, secret = make(accounts)
    accounts.tokens.remove(made.id, ADMIN)
    told = json.dumps([str(entry) for entry in accounts.audit.page(limit=9)])
    assert secret not in told
    assert digest(secret) not in told


def test_two_may_have_one_name_and_the_newest_comes_first(accounts: Accounts) -> None:
    first, one = make(accounts)
    accounts.now_us += 1
    second, other = make(accounts)
    assert one != other
    assert accounts.tokens.all() == [second, first]
    assert accounts.tokens.now_us() == NOON_US + 1


@pytest.mark.parametrize(
    ("name", "kept"),
    [("x", "x"), ("  ci  ", "ci"), ("温度 <b>", "温度 <b>"), ("x" * 100, "x" * 100)],
)
def test_a_name(accounts: Accounts, name: str, kept: str) -> None:
    assert make(accounts, name=name)[0].name == kept


@pytest.mark.parametrize("days", [1, 3_650])
def test_the_fewest_and_the_most_days(accounts: Accounts, days: int) -> None:
    assert make(accounts, days=days)[0].expires_us == NOON_US + days * DAY_US


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": ""}, "name_malformed", "name"),
        ({"name": " \t"}, "name_malformed", "name"),
        ({"name": "x" * 101}, "name_malformed", "name"),
        ({"name": "a\0b"}, "name_malformed", "name"),
        ({"name": "\u202eci"}, "name_malformed", "name"),
        ({"name": "\ud800"}, "name_malformed", "name"),
        ({"name": 7}, "wrong_type", "name"),
        ({"role": None}, "wrong_type", "role"),
        ({"days": 3_651}, "limit_range", "days"),
        ({"days": -1}, "limit_range", "days"),
        ({"days": 10**400}, "limit_range", "days"),
        ({"days": True}, "wrong_type", "days"),
        ({"days": 1.0}, "wrong_type", "days"),
        ({"servers": [1]}, "wrong_type", "servers"),
        ({"servers": {"one": 1}}, "wrong_type", "servers"),
        ({"servers": ["one", "nobody"]}, "unknown_server", "servers"),
        ({"servers": [""]}, "unknown_server", "servers"),
        ({"expires_us": 1}, "unknown_field", "expires_us"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_made(
    accounts: Accounts, changes: dict[str, object], code: str, field: str
) -> None:
    assert faults(lambda: make(accounts, **changes)) == [(code, field)]
    assert (accounts.tokens.all(), accounts.acts()) == ([], [])


def test_every_wrong_field_is_told(accounts: Accounts) -> None:
    wrong = {"name": "", "role": "root", "servers": [], "days": 0, "x": 1}
    assert faults(lambda: accounts.tokens.make(wrong, ADMIN)) == [
        ("unknown_field", "x"),
        ("name_malformed", "name"),
        ("unknown_role", "role"),
        ("no_servers", "servers"),
        ("limit_range", "days"),
    ]


# -- finding one ------------------------------------------------------------------------------


def test_whose_a_secret_is(accounts: Accounts) -> None:
    made, secret = make(accounts, role="operator", servers=["one", "two"])
    assert accounts.tokens.find(secret, THERE) == Who(
        kind="token",
        name="ci",
        role="operator",
        id=made.id,
        servers=frozenset({"one", "two"}),
        address=THERE,
    )
    for wrong in (secret[:-1], secret + "x", secret.removeprefix(PREFIX), secret.lower(), made.id):
        assert accounts.tokens.find(wrong, THERE) is None
    assert accounts.tokens.find(digest(secret), THERE) is None, "what is stored opens nothing"


def test_that_of_the_settings_is_an_admins_and_stands_in_no_list(accounts: Accounts) -> None:
    found = accounts.tokens.find(DEPLOYED, HERE)
    assert found == Who(kind="deployment", name="token", role="admin", address=HERE)
    assert accounts.tokens.all() == []


@pytest.mark.parametrize("deployed", [None, ""])
def test_settings_without_one_let_nobody_in(accounts: Accounts, deployed: str | None) -> None:
    tokens = Tokens(accounts.token_table, deployed, lambda: ())
    for secret in ("", "None", DEPLOYED):
        assert tokens.find(secret, HERE) is None


def test_that_it_is_used_is_written_once_a_minute(accounts: Accounts) -> None:
    made, secret = make(accounts)
    accounts.now_us += 5
    first = accounts.now_us
    for later, used in ((0, 0), (MINUTE_US - 1, 0), (MINUTE_US, MINUTE_US)):
        accounts.now_us = first + later
        assert accounts.tokens.find(secret, HERE) is not None
        assert accounts.tokens.get(made.id).used_us == first + used


def test_one_that_ended_is_not_used_and_still_told_of(accounts: Accounts) -> None:
    made, secret = make(accounts, days=1)
    accounts.now_us += DAY_US
    assert accounts.tokens.find(secret, HERE) is None
    assert accounts.tokens.all() == [made]


def test_a_disk_that_is_full_shuts_nobody_out(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_id: str, _at_us: int) -> None:
        raise Unavailable("disk_full", "The disk is full.")

    _, secret = make(accounts)
    monkeypatch.setattr(accounts.token_table, "used", full)
    with caplog.at_level(logging.WARNING, "app.tokens"):
        assert accounts.tokens.find(secret, HERE) is not None
    assert "The disk is full." in caplog.text


def test_a_server_that_is_gone_leaves_it_for_the_others(accounts: Accounts) -> None:
    _, secret = make(accounts, servers=["one", "two"])
    accounts.servers.remove("one")
    found = accounts.tokens.find(secret, HERE)
    assert found is not None
    assert found.servers == frozenset({"one", "two"})


# -- taking one back --------------------------------------------------------------------------


def test_one_that_is_taken_back_is_nobodys(accounts: Accounts) -> None:
    made, secret = make(accounts)
    other, _ = make(accounts)
    assert accounts.tokens.get(made.id) == made
    accounts.tokens.remove(made.id, ADMIN)
    assert accounts.tokens.find(secret, HERE) is None
    assert accounts.tokens.all() == [other]
    assert accounts.acts()[-1] == "token.remove ci"


@pytest.mark.parametrize("id_", ["", "0" * 12, "x" * 10_000, "\ud800"])
def test_one_that_is_not_there_is_not_found(accounts: Accounts, id_: str) -> None:
    acts: list[Callable[[], object]] = [
        lambda: accounts.tokens.get(id_),
        lambda: accounts.tokens.remove(id_, ADMIN),
    ]
    for act in acts:
        with pytest.raises(NotFound) as refused:
            act()
        assert refused.value.code == "token_not_found"
        assert len(refused.value.detail) < 200
    assert accounts.acts() == []
