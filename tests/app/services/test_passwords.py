"""Passwords: what is taken for one, how it is hashed, and how many are worked at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from app.errors import Invalid, TooMany
from app.services.fields import FieldReader
from app.services.passwords import LEAST, MOST, Passwords, read_password
from tests.waiting import DEADLINE_S, equal

WORDS = "long enough to be one"

#: Two are worked, and sixteen wait.
AT_ONCE, PLACES = 2, 18


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords()


# -- what is taken for one --------------------------------------------------------------------


@pytest.mark.parametrize("password", ["x" * LEAST, "x" * MOST, " " * 10, "密码" * 5, "\0" * 10])
def test_a_password(password: str) -> None:
    read = FieldReader()
    assert read_password(read, {"password": password}) == password
    read.settle()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "missing_field"),
        ({"new": None}, "wrong_type"),
        ({"new": 1234567890}, "wrong_type"),
        ({"new": ["x" * 10]}, "wrong_type"),
        ({"new": ""}, "password_length"),
        ({"new": "x" * (LEAST - 1)}, "password_length"),
        ({"new": "x" * (MOST + 1)}, "password_length"),
        ({"new": "\ud800" * 10}, "password_malformed"),
    ],
)
def test_what_is_none_is_noted_by_its_field(given: dict[str, object], code: str) -> None:
    read = FieldReader()
    assert read_password(read, given, "new") is None
    with pytest.raises(Invalid) as refused:
        read.settle()
    assert [(fault.code, fault.field) for fault in refused.value.fields] == [(code, "new")]
    assert "x" * (LEAST - 1) not in refused.value.detail, "it is not told again"


# -- its hash ---------------------------------------------------------------------------------


def test_a_hash_is_argon2id_with_a_salt_of_its_own(passwords: Passwords) -> None:
    one, other = passwords.hash(WORDS), passwords.hash(WORDS)
    assert one != other
    for hashed in (one, other):
        assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert WORDS not in hashed
        assert passwords.matches(WORDS, hashed)


@pytest.mark.parametrize("wrong", ["", WORDS[:-1], WORDS + " ", WORDS.upper(), "\0", "x" * MOST])
def test_another_one_does_not_match(passwords: Passwords, wrong: str) -> None:
    assert not passwords.matches(wrong, passwords.hash(WORDS))


@pytest.mark.parametrize(
    ("chosen", "typed"),
    [
        ("caf\u00e9 caf\u00e9 caf\u00e9", "cafe\u0301 cafe\u0301 cafe\u0301"),
        ("ｐａｓｓｗｏｒｄ１２", "password12"),
        ("o\ufb03ce o\ufb03ce", "office office"),
    ],
)
def test_however_a_keyboard_composes_it(passwords: Passwords, chosen: str, typed: str) -> None:
    assert chosen != typed
    assert passwords.matches(typed, passwords.hash(chosen))
    assert passwords.matches(chosen, passwords.hash(typed))


@pytest.mark.parametrize("password", ["", WORDS, "nobody's password"])
def test_nobodys_matches_nothing(passwords: Passwords, password: str) -> None:
    assert passwords.matches(password, None) is False


def test_one_that_is_too_long_never_matches(passwords: Passwords) -> None:
    assert passwords.matches("x" * MOST, passwords.hash("x" * MOST))
    assert not passwords.matches("x" * (MOST + 1), passwords.hash("x" * (MOST + 1)))


# -- how many at once -------------------------------------------------------------------------


class Work:
    """Goes on until its gate is opened; knows how many of it went on at once."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.most = self.now = self.done = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        assert self.gate.wait(DEADLINE_S)
        with self._lock:
            self.now -= 1
            self.done += 1


@contextmanager
def busy(passwords: Passwords, work: Work) -> Iterator[list[Future[None]]]:
    """Every place is taken by `work`, which goes on meanwhile."""
    with ThreadPoolExecutor(PLACES) as pool:
        try:
            asked = [pool.submit(passwords._in_turn, work) for _ in range(PLACES)]
            equal(lambda: passwords._places._value, 0)
            equal(lambda: work.now, AT_ONCE)
            yield asked
        finally:
            work.gate.set()


def test_two_are_worked_sixteen_wait_and_the_next_is_turned_away() -> None:
    passwords, work = Passwords(), Work()
    hashed = passwords.hash(WORDS)
    with busy(passwords, work) as asked:
        for act in (lambda: passwords.hash(WORDS), lambda: passwords.matches(WORDS, hashed)):
            with pytest.raises(TooMany) as refused:
                act()
            assert (refused.value.code, refused.value.retry_after_s) == ("busy", 1)
        assert not passwords.matches("x" * (MOST + 1), hashed), "it needs no place"
    for future in asked:
        future.result(DEADLINE_S)
    assert (work.done, work.most) == (PLACES, AT_ONCE)
    assert passwords.matches(WORDS, hashed)


def test_what_fails_gives_its_place_back() -> None:
    passwords = Passwords()

    def failing() -> None:
        raise MemoryError("no room")

    for _ in range(PLACES + 1):
        with pytest.raises(MemoryError):
            passwords._in_turn(failing)
    assert passwords.matches(WORDS, passwords.hash(WORDS))
