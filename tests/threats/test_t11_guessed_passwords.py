"""T11: passwords are not guessed by trying, and trying costs nobody else anything."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx2
import pytest

from app.errors import TooMany, Unauthorized
from app.services.passwords import Passwords
from app.services.sessions import Sessions
from app.services.throttle import Throttle
from app.services.users import Users
from app.store.database import Database
from app.store.users import SessionTable, UserTable
from app.who import SOCKPIT
from tests.app.soon import SOON_S
from tests.promises.proc import rss
from tests.running import PASSWORD, Api, RunningApp
from tests.threats.people import LONG_ENOUGH, client, user
from tests.waiting import DEADLINE_S


def attempt(app: RunningApp, name: str, password: str, source: str) -> httpx2.Response:
    """A login from an address of this machine."""
    with httpx2.Client(
        transport=httpx2.HTTPTransport(local_address=source), timeout=DEADLINE_S
    ) as client:
        return client.post(f"{app.url}/login", data={"name": name, "password": password})


def test_t11_after_ten_failures_it_has_to_wait(app_process: RunningApp) -> None:
    app = app_process
    for _ in range(10):
        assert attempt(app, "admin", "wrong", "127.0.0.2").status_code == 401
    refused = attempt(app, "admin", PASSWORD, "127.0.0.2")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert "Too many logins failed" in refused.text
    assert attempt(app, "admin", PASSWORD, "127.0.0.3").status_code == 303
    assert 'a login as "admin" from 127.0.0.2 failed' in app.log
    assert "wrong" not in app.log


def test_t11_many_names_from_one_address_have_to_wait(tmp_path: Path) -> None:
    sessions, _ = _parts(tmp_path)
    for number in range(100):
        with pytest.raises(Unauthorized):
            sessions.log_in(f"nobody-{number}", "wrong", address="192.0.2.1", agent="")
    with pytest.raises(TooMany) as refused:
        sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent="")
    assert refused.value.code == "too_many_logins"
    assert sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.2", agent="")


@pytest.mark.parametrize("names", [10, 100])
def test_t11_addresses_of_one_ipv6_network_are_one(tmp_path: Path, names: int) -> None:
    """Whoever has one has 2**64: guesses of one name, and of any names."""
    sessions, _ = _parts(tmp_path)
    for number in range(names):
        name = "ana" if names == 10 else f"nobody-{number}"
        with pytest.raises(Unauthorized):
            sessions.log_in(name, "wrong", address=f"2001:db8:1:2::{number:x}", agent="")
    for address in ("2001:db8:1:2:ffff::1", "2001:db8:1:2::1%eth0"):
        with pytest.raises(TooMany):
            sessions.log_in("ana", LONG_ENOUGH, address=address, agent="")
    secret = sessions.log_in("ana", LONG_ENOUGH, address="2001:db8:1:3::1", agent="")
    (begun,) = sessions.all("ana")
    assert begun.address == "2001:db8:1:3::1"  # whole, where it is told
    assert sessions.find(secret, "") is not None


def test_t11_guesses_at_once_are_no_more_than_one_after_the_other(tmp_path: Path) -> None:
    """240, 40 at a time: each is counted before it is worked, not after."""
    sessions, _ = _parts(tmp_path)
    ana = sessions.find(sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent=""), "::1")
    assert ana is not None

    def log_in() -> None:
        sessions.log_in("ana", "wrong", address="192.0.2.1", agent="")

    for guess in (log_in, lambda: sessions.check(ana, "wrong")):
        assert _checked_at_once(guess) + _checked_in_turn(guess) == 10


def test_t11_while_the_last_tries_are_checked_the_next_is_asked_to_come_again() -> None:
    throttle = Throttle()
    with ExitStack() as checked:
        for _ in range(10):
            checked.enter_context(throttle.attempt("ana", "192.0.2.1"))
        with pytest.raises(TooMany) as refused, throttle.attempt("ana", "192.0.2.1"):
            raise AssertionError("it was let in")
        assert (refused.value.code, refused.value.retry_after_s) == ("busy", 1)
        with throttle.attempt("leo", "192.0.2.1"), throttle.attempt("ana", "192.0.2.2"):
            pass
    assert not throttle._tried  # nothing is kept of what is over
    with throttle.attempt("ana", "192.0.2.1"):
        pass


def test_t11_right_logins_at_once_count_for_nothing(tmp_path: Path) -> None:
    sessions, _ = _parts(tmp_path)

    def log_in(_: int) -> None:
        sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent="")

    with ThreadPoolExecutor(5) as pool:
        assert len(list(pool.map(log_in, range(120)))) == 120


def test_t11_a_login_forgets_the_failures_of_that_name(tmp_path: Path) -> None:
    sessions, _ = _parts(tmp_path)
    for _ in range(3):
        for _ in range(9):
            with pytest.raises(Unauthorized):
                sessions.log_in("ana", "wrong", address="192.0.2.1", agent="")
        assert sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent="")


def test_t11_an_unknown_name_is_told_in_the_same_words_after_the_same_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions, passwords = _parts(tmp_path)
    worked: list[bool] = []
    in_turn = passwords._in_turn

    def counted(work: object) -> object:
        worked.append(True)
        return in_turn(work)  # type: ignore[arg-type]

    monkeypatch.setattr(passwords, "_in_turn", counted)
    said = []
    for name in ("ana", "nobody"):
        with pytest.raises(Unauthorized) as refused:
            sessions.log_in(name, "wrong", address="192.0.2.1", agent="")
        said.append((refused.value.code, refused.value.detail))
    assert said[0] == said[1]
    assert len(worked) == 2


def test_t11_one_who_is_logged_in_cannot_guess_the_password_either(api: Api) -> None:
    name = user(api, "viewer")
    with client(api.url, session=api.log_in(name, LONG_ENOUGH)) as browser:
        fields = {"current": "wrong", "password": "x" * 12, "again": "x" * 12}
        answers = [browser.post("/account/password", data=fields) for _ in range(11)]
    assert [a.status_code for a in answers] == [422] * 10 + [429]


def test_t11_many_logins_at_once_harm_nobody(app_process: RunningApp) -> None:
    """At most two are worked at a time and sixteen wait; the panel answers all the while."""
    app = app_process
    before = rss(app.pid)
    attempt(app, "admin", PASSWORD, "127.0.0.9")
    start = threading.Barrier(50)

    def one(number: int) -> list[int]:
        source = f"127.0.1.{number + 1}"
        start.wait(DEADLINE_S)
        return [attempt(app, f"n{number}-{n}", "wrong", source).status_code for n in range(4)]

    took = []
    with ThreadPoolExecutor(50) as pool:
        logins = [pool.submit(one, number) for number in range(50)]
        while not all(login.done() for login in logins):
            began = time.monotonic()
            assert app.api.call("GET", "health").status_code == 200
            took.append(time.monotonic() - began)
    answers = Counter(status for login in logins for status in login.result())
    assert median(took) < SOON_S
    assert set(answers) <= {401, 429}
    assert sum(answers.values()) == 200
    assert answers[401] >= 18
    assert rss(app.pid) - before <= 100 * 1024 * 1024


def _checked_at_once(guess: Callable[[], None]) -> int:
    start = threading.Barrier(40)

    def some(_: int) -> int:
        start.wait(DEADLINE_S)
        return sum(_was_checked(guess) for _ in range(6))

    with ThreadPoolExecutor(40) as pool:
        return sum(pool.map(some, range(40)))


def _checked_in_turn(guess: Callable[[], None]) -> int:
    """Of eleven: at the most ten are."""
    return sum(_was_checked(guess) for _ in range(11))


def _was_checked(guess: Callable[[], None]) -> bool:
    """Not refused before its password was looked at."""
    try:
        guess()
    except Unauthorized:
        return True
    except TooMany:
        return False
    raise AssertionError("it was right")


def _parts(folder: Path) -> tuple[Sessions, Passwords]:
    database = Database(folder / "control.sqlite3")
    table, passwords = UserTable(database), Passwords()
    users = Users(table, passwords)
    users.create({"name": "ana", "role": "viewer", "password": LONG_ENOUGH}, SOCKPIT)
    return Sessions(table, SessionTable(database), passwords), passwords
