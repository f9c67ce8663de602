"""Who somebody is by what they show, and the one place that says what they may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import Forbidden, NotFound, Unauthorized
from app.services.access import Shown, authorize
from app.who import SOCKPIT, Action, Role, Who
from tests.app.services.accounts import DEPLOYED, HERE, THERE, Accounts, opened


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    with opened(tmp_path) as made:
        made.user()
        yield made


def who(role: Role, *servers: str) -> Who:
    return Who(kind="token", name="ci", role=role, servers=frozenset(servers) or None)


def refused(one: Who, action: Action, server: str | None = None) -> tuple[int, str, str]:
    with pytest.raises((Forbidden, NotFound)) as refusal:
        authorize(one, action, server)
    return refusal.value.status, refusal.value.code, refusal.value.detail


# -- what they may ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "action", "server"),
    [
        (who("viewer"), "see", None),
        (who("viewer"), "see", "any"),
        (who("viewer"), "see_all", None),
        (who("operator"), "operate", "any"),
        (who("admin"), "define", None),
        (who("admin"), "administer", None),
        (who("viewer", "one"), "see", None),
        (who("viewer", "one"), "see", "one"),
        (who("viewer", "one"), "self", None),
        (who("operator", "one"), "operate", "one"),
        (who("admin", "one"), "define", "one"),
    ],
)
def test_what_is_enough(one: Who, action: Action, server: str | None) -> None:
    authorize(one, action, server)
    authorize(SOCKPIT, action, server)


@pytest.mark.parametrize(
    ("role", "action", "words"),
    [
        ("viewer", "operate", "This takes the role operator; ci is a viewer."),
        ("viewer", "administer", "This takes the role admin; ci is a viewer."),
        ("operator", "define", "This takes the role admin; ci is an operator."),
    ],
)
def test_a_role_that_is_too_low_is_told_the_least_one(
    role: Role, action: Action, words: str
) -> None:
    for server in (None, "one"):
        assert refused(who(role), action, server) == (403, "role_too_low", words)


@pytest.mark.parametrize("action", ["see_all", "operate", "define", "administer"])
def test_what_concerns_all_is_not_for_a_token_of_some(action: Action) -> None:
    status, code, words = refused(who("admin", "one"), action)
    assert (status, code) == (403, "token_scope")
    assert "for some servers alone" in words


def test_a_server_out_of_sight_is_as_one_that_is_not_there() -> None:
    """Also for a role that would not be enough: that would tell that it is there."""
    for role in ("viewer", "admin"):
        for action in ("see", "operate", "define"):
            status, code, words = refused(who(role, "one"), action, "two")
            assert (status, code) == (404, "server_not_found")
            assert words == "There is no server called 'two'."
    assert refused(who("viewer", "one"), "operate", "one")[1] == "role_too_low"


def test_the_role_is_looked_at_before_the_scope() -> None:
    assert refused(who("viewer", "one"), "administer")[1] == "role_too_low"


# -- who they are -----------------------------------------------------------------------------


def turned_away(accounts: Accounts, shown: Shown) -> str:
    with pytest.raises(Unauthorized) as refusal:
        accounts.access.identify(shown)
    assert refusal.value.detail.endswith(".")
    return refusal.value.code


def test_who_shows_nothing_is_told_to_log_in(accounts: Accounts) -> None:
    assert turned_away(accounts, Shown()) == "no_login"
    assert turned_away(accounts, Shown(address=HERE)) == "no_login"


def test_a_session_is_its_user_at_the_address_that_asks(accounts: Accounts) -> None:
    secret = accounts.log_in(address=HERE)
    found = accounts.access.identify(Shown(session=secret, address=THERE))
    assert (found.kind, found.name, found.role) == ("user", "ana", "viewer")
    assert (found.servers, found.address) == (None, THERE)


@pytest.mark.parametrize("session", ["", "x", "x" * 100_000, "\ud800", "\0"])
def test_what_is_no_session_is_one_that_is_over(accounts: Accounts, session: str) -> None:
    assert turned_away(accounts, Shown(session=session)) == "session_over"


@pytest.mark.parametrize("token", ["", "x", "sck_" + "x" * 100_000, "\udfff", "\0"])
def test_what_is_no_token_is_not_known(accounts: Accounts, token: str) -> None:
    assert turned_away(accounts, Shown(token=token)) == "token_unknown"


def test_a_token_goes_before_a_session(accounts: Accounts) -> None:
    session = accounts.log_in()
    found = accounts.access.identify(Shown(session, DEPLOYED, HERE))
    assert (found.kind, found.role) == ("deployment", "admin")
    assert turned_away(accounts, Shown(session, "wrong", HERE)) == "token_unknown"
    _, token = accounts.tokens.make({"name": "ci", "role": "operator"}, SOCKPIT)
    assert accounts.access.identify(Shown("wrong", token, HERE)).name == "ci"


def test_neither_stands_for_the_other(accounts: Accounts) -> None:
    session = accounts.log_in()
    assert turned_away(accounts, Shown(token=session)) == "token_unknown"
    assert turned_away(accounts, Shown(session=DEPLOYED)) == "session_over"
