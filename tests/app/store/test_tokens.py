"""Tokens in the control database: of a secret its SHA-256 is kept alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from app.errors import NotFound
from app.store.audit import AuditTable
from app.store.database import FILE_NAME, Database
from app.store.tokens import TokenTable
from app.who import Token
from tests.acts import ACT
from tests.app.store.samples import NOON_US

EVERYTHING = Token(
    id="0123456789ab",
    name="温度 <b>",
    role="admin",
    servers=("two", "one"),
    created_us=NOON_US,
    created_by="root",
    expires_us=NOON_US + 5,
    used_us=NOON_US + 3,
)
LITTLE = Token(
    id="ba9876543210",
    name="ci",
    role="viewer",
    servers=None,
    created_us=NOON_US + 1,
    created_by="token",
    expires_us=None,
    used_us=None,
)
ONE, OTHER = "aa" * 32, "bb" * 32


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / FILE_NAME)) as opened:
        yield opened


@pytest.fixture
def table(database: Database) -> TokenTable:
    """With two of them."""
    made = TokenTable(database)
    made.add(EVERYTHING, ONE, ACT)
    made.add(LITTLE, OTHER, ACT)
    return made


def acts(database: Database) -> int:
    return len(AuditTable(database).page(limit=500))


def test_they_come_back_as_they_were_the_newest_first(table: TokenTable) -> None:
    assert table.all() == [LITTLE, EVERYTHING]


def test_they_outlive_the_process(table: TokenTable, tmp_path: Path) -> None:
    with closing(Database(tmp_path / FILE_NAME)) as again:
        assert TokenTable(again).all() == [LITTLE, EVERYTHING]


def test_one_is_found_by_the_digest_of_its_secret(table: TokenTable) -> None:
    assert table.by_secret(ONE) == EVERYTHING
    assert table.by_secret(OTHER) == LITTLE
    for wrong in ("", ONE[:-1], ONE.upper(), EVERYTHING.id, "cc" * 32):
        assert table.by_secret(wrong) is None


def test_for_no_server_is_not_for_all(table: TokenTable) -> None:
    none = replace(LITTLE, id="c", servers=())
    table.add(none, "cc" * 32, ACT)
    found = table.by_secret("cc" * 32)
    assert found is not None
    assert found.servers == ()


@pytest.mark.parametrize(
    ("token", "digest"), [(replace(LITTLE, id="c"), ONE), (EVERYTHING, "cc" * 32)]
)
def test_a_secret_and_an_id_are_of_one_token(
    table: TokenTable, database: Database, token: Token, digest: str
) -> None:
    with pytest.raises(IntegrityError):
        table.add(token, digest, ACT)
    assert (table.all(), acts(database)) == ([LITTLE, EVERYTHING], 2)


def test_that_it_was_used_changes_alone(table: TokenTable, database: Database) -> None:
    table.used(LITTLE.id, NOON_US + 99)
    table.used("nobodys", NOON_US + 99)
    assert table.all() == [replace(LITTLE, used_us=NOON_US + 99), EVERYTHING]
    assert acts(database) == 2


def test_one_that_is_removed_is_gone_and_noted_once(table: TokenTable, database: Database) -> None:
    table.remove(EVERYTHING.id, ACT)
    assert (table.all(), table.by_secret(ONE), acts(database)) == ([LITTLE], None, 3)
    for id_ in (EVERYTHING.id, "", ONE):
        with pytest.raises(NotFound) as refused:
            table.remove(id_, ACT)
        assert refused.value.code == "token_not_found"
    assert (table.all(), acts(database)) == ([LITTLE], 3)
