"""Sessions: begun by a password, found by a secret, ended by whoever may, and told of."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.errors import AppError, NotFound, TooMany, Unauthorized, Unavailable
from app.services.sessions import IDLE_US, LONGEST_US, digest
from app.who import SOCKPIT, Session, Who
from tests.app.services.accounts import HERE, PASSWORD, THERE, Accounts, opened
from tests.app.store.samples import NOON_US

MINUTE_US = 60_000_000


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with opened(tmp_path) as made:
        made.user("ana")
        yield made


def refused(act: Callable[[], object]) -> tuple[int, str, str | None]:
    with pytest.raises(AppError) as refusal:
        act()
    return refusal.value.status, refusal.value.code, refusal.value.field


def who(accounts: Accounts, secret: str) -> Who:
    found = accounts.sessions.find(secret, HERE)
    assert found is not None
    return found


def kept(accounts: Accounts, secret: str) -> Session:
    found = accounts.session_table.get(digest(secret))
    assert found is not None
    return found[0]


# -- logging in -------------------------------------------------------------------------------


def test_a_login_keeps_a_digest_the_moment_and_where_from(accounts: Accounts) -> None:
    secret = accounts.log_in(address=HERE, agent="Mozilla/5.0 " + "x" * 500)
    session = kept(accounts, secret)
    assert session.id == hashlib.sha256(secret.encode()).hexdigest()
    assert (session.user, session.address) == ("ana", HERE)
    assert session.created_us == session.seen_us == NOON_US
    assert session.agent == "Mozilla/5.0 " + "x" * 188
    (entry, _) = accounts.audit.page(limit=9)
    assert (entry.what, entry.target) == ("session.begin", "ana")
    assert (entry.who, entry.kind, entry.address) == ("ana", "user", HERE)


def test_every_login_has_a_secret_of_32_bytes(accounts: Accounts) -> None:
    secrets = {accounts.log_in() for _ in range(3)}
    assert len(secrets) == 3
    assert {len(secret) for secret in secrets} == {43}
    assert len(accounts.sessions.all("ana")) == 3


@pytest.mark.parametrize(
    ("name", "password"),
    [("ana", "wrong"), ("ana", ""), ("ana", PASSWORD.upper()), ("ana", "x" * 10_000)]
    + [("Ana", PASSWORD), ("", PASSWORD), ("nobody", PASSWORD), ("x" * 10_000, PASSWORD)],
)
def test_a_wrong_login_begins_nothing(
    accounts: Accounts, caplog: pytest.LogCaptureFixture, name: str, password: str
) -> None:
    with caplog.at_level(logging.WARNING, "app.sessions"):
        login = lambda: accounts.sessions.log_in(name, password, address=HERE, agent="")  # noqa: E731
        assert refused(login) == (401, "wrong_login", "password")
    assert (accounts.sessions.all(), accounts.acts()) == ([], ["user.create ana"])
    (line,) = caplog.messages
    assert HERE in line
    assert PASSWORD not in line
    assert len(line) < 200


# -- finding one ------------------------------------------------------------------------------


def test_it_is_found_with_the_role_of_now_and_the_address_that_asks(accounts: Accounts) -> None:
    secret = accounts.log_in(address=HERE)
    assert accounts.sessions.find(secret, THERE) == Who(
        kind="user", name="ana", role="viewer", id=digest(secret), address=THERE
    )
    assert kept(accounts, secret).address == HERE, "where it began"


def test_that_it_is_used_is_written_once_a_minute(accounts: Accounts) -> None:
    secret = accounts.log_in()
    for later, seen in (
        (MINUTE_US - 1, 0),
        (MINUTE_US, MINUTE_US),
        (2 * MINUTE_US - 1, MINUTE_US),
    ):
        accounts.now_us = NOON_US + later
        who(accounts, secret)
        assert kept(accounts, secret).seen_us == NOON_US + seen
    assert kept(accounts, secret).created_us == NOON_US


def test_a_clock_that_is_set_back_logs_nobody_out(accounts: Accounts) -> None:
    secret = accounts.log_in()
    accounts.now_us -= 10 * LONGEST_US
    assert who(accounts, secret).name == "ana"
    assert kept(accounts, secret).seen_us == NOON_US
    assert [session.user for session in accounts.sessions.all()] == ["ana"]


def test_a_disk_that_is_full_logs_nobody_out(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_id: str, _at_us: int) -> None:
        raise Unavailable("disk_full", "The disk is full.")

    secret = accounts.log_in()
    monkeypatch.setattr(accounts.session_table, "seen", full)
    accounts.now_us += MINUTE_US
    with caplog.at_level(logging.WARNING, "app.sessions"):
        assert who(accounts, secret).name == "ana"
    assert "The disk is full." in caplog.text


@pytest.mark.parametrize(("later", "lasts"), [(IDLE_US - 1, True), (IDLE_US, False)])
def test_one_that_is_over_is_neither_found_nor_listed(
    accounts: Accounts, later: int, lasts: bool
) -> None:
    secret = accounts.log_in()
    accounts.now_us += later
    assert [session.user for session in accounts.sessions.all()] == ["ana"] * lasts
    assert (accounts.sessions.find(secret, HERE) is not None) == lasts


def test_a_login_forgets_all_that_are_over(accounts: Accounts) -> None:
    accounts.user("leo")
    over = accounts.log_in("leo")
    accounts.now_us += IDLE_US // 2
    lasting = accounts.log_in("leo")
    accounts.now_us += IDLE_US // 2
    assert len(accounts.session_table.all()) == 2
    accounts.now_us += 1
    fresh = accounts.log_in("ana")
    left = [session.id for session in accounts.session_table.all()]
    assert left == [digest(fresh), digest(lasting)]
    assert digest(over) not in left


def test_another_role_and_no_user_any_more_end_it(accounts: Accounts) -> None:
    secret = accounts.log_in()
    accounts.users.change("ana", {"role": "operator"}, SOCKPIT)
    assert accounts.sessions.find(secret, HERE) is None
    secret = accounts.log_in()
    assert who(accounts, secret).role == "operator"
    accounts.users.remove("ana", SOCKPIT)
    assert accounts.sessions.find(secret, HERE) is None


# -- one's own password -----------------------------------------------------------------------


def test_ones_own_password_is_told_from_others(accounts: Accounts) -> None:
    ana = who(accounts, accounts.log_in())
    for _ in range(20):
        accounts.sessions.check(ana, PASSWORD)
    wrong = refused(lambda: accounts.sessions.check(ana, "wrong"))
    assert wrong == (401, "wrong_password", "current")
    accounts.users.remove("ana", SOCKPIT)
    gone = refused(lambda: accounts.sessions.check(ana, PASSWORD))
    assert gone == (401, "wrong_password", "current")


def test_guessing_it_counts_as_failed_logins_do(accounts: Accounts) -> None:
    ana = who(accounts, accounts.log_in(address=HERE))
    for _ in range(10):
        with pytest.raises(Unauthorized):
            accounts.sessions.check(ana, "wrong")
    with pytest.raises(TooMany):
        accounts.sessions.check(ana, PASSWORD)
    with pytest.raises(TooMany):
        accounts.log_in(address=HERE)
    assert accounts.log_in(address=THERE)


# -- telling of them, and ending them ---------------------------------------------------------


def test_the_one_used_last_comes_first(accounts: Accounts) -> None:
    accounts.user("leo")
    secrets = []
    for name in ("ana", "leo", "ana"):
        secrets.append(accounts.log_in(name))
        accounts.now_us += MINUTE_US
    who(accounts, secrets[0])
    ids = [digest(secret) for secret in secrets]
    assert [s.id for s in accounts.sessions.all()] == [ids[0], ids[2], ids[1]]
    assert [s.id for s in accounts.sessions.all("ana")] == [ids[0], ids[2]]
    assert accounts.sessions.all("nobody") == []


def test_a_user_ends_its_own_and_an_admin_any(accounts: Accounts) -> None:
    accounts.user("root", "admin")
    here, there, root = (accounts.log_in(name) for name in ("ana", "ana", "root"))
    ana, admin = who(accounts, here), who(accounts, root)
    assert refused(lambda: accounts.sessions.end(digest(root), ana))[:2] == (
        404,
        "session_not_found",
    )
    accounts.sessions.end(digest(there), ana)
    accounts.sessions.end(digest(here), admin)
    assert [session.user for session in accounts.sessions.all()] == ["root"]
    assert accounts.acts()[-2:] == ["session.end ana", "session.end ana"]
    assert [entry.who for entry in accounts.audit.page(limit=2)] == ["root", "ana"]
    with pytest.raises(NotFound, match="may have ended"):
        accounts.sessions.end(digest(here), admin)


@pytest.mark.parametrize("servers", [None, frozenset({"one"})])
def test_a_token_that_has_the_name_of_a_user_is_not_that_user(
    accounts: Accounts, servers: frozenset[str] | None
) -> None:
    secret = accounts.log_in()
    token = Who(kind="token", name="ana", role="operator", id="x", servers=servers)
    assert accounts.sessions.known_to(token) == []
    with pytest.raises(NotFound):
        accounts.sessions.end(digest(secret), token)
    assert who(accounts, secret).name == "ana"


def test_who_knows_of_which(accounts: Accounts) -> None:
    accounts.user("leo")
    ana = who(accounts, accounts.log_in("ana"))
    accounts.log_in("leo")
    some = Who(kind="token", name="ci", role="admin", servers=frozenset({"one"}))
    all_ = Who(kind="token", name="ci", role="admin")
    known = [
        sorted(session.user for session in accounts.sessions.known_to(one))
        for one in (ana, some, all_)
    ]
    assert known == [["ana"], [], ["ana", "leo"]]
