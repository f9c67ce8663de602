"""T12: a session cannot be fixed beforehand, nor read from the database, and it ends."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest

from app.services.passwords import Passwords
from app.services.sessions import IDLE_US, LONGEST_US, Sessions
from app.services.users import Users
from app.store.database import Database
from app.store.users import SessionTable, UserTable
from app.who import SOCKPIT
from tests.clients import Client
from tests.conftest import MakeServer
from tests.running import PASSWORD, SESSION_COOKIE, Api, AppThread
from tests.threats.people import DOWNLOADS, LONG_ENOUGH, broken_off, client, user
from tests.waiting import eventually
from tests.watching import watching

CHOSEN = "A" * 43


def test_t12_a_login_gives_another_session_than_was_brought(api: Api) -> None:
    name = user(api, "viewer")
    with client(api.url, session=CHOSEN) as browser:
        fields = {"name": name, "password": LONG_ENOUGH}
        first = browser.post("/login", data=fields)
        one = first.cookies[SESSION_COOKIE]
        assert one != CHOSEN
        browser.cookies.clear()
        browser.cookies.set(SESSION_COOKIE, one)
        again = browser.post("/login", data=fields)
        two = again.cookies[SESSION_COOKIE]
    assert two != one
    for old in (CHOSEN, one):
        with client(api.url, session=old) as browser:
            assert browser.get("/api/v1/me").status_code == 401
            assert browser.get("/servers").status_code == 303


def test_t12_no_script_reads_any_cookie(api: Api) -> None:
    for theme in ("dark", "auto"):
        cookie = api.pages.post("/theme", data={"theme": theme}).headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" not in cookie  # it would not come back over plain HTTP


def test_t12_the_cookie_is_for_our_own_pages_alone(api: Api) -> None:
    with client(api.url) as browser:
        answer = browser.post("/login", data={"name": "admin", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    for word in ("httponly", "samesite=lax", "path=/", "max-age=43200"):
        assert word in cookie
    assert "domain" not in cookie


def test_t12_no_file_holds_a_live_secret(app_thread: AppThread, api: Api) -> None:
    secret = api.log_in()
    digest = hashlib.sha256(secret.encode()).hexdigest()
    found = b"".join(
        path.read_bytes() for path in app_thread.data_dir.rglob("*") if path.is_file()
    )
    assert digest.encode() in found
    assert secret.encode() not in found


def test_t12_it_ends_by_logging_out_by_hand_and_by_a_new_password(api: Api) -> None:
    name = user(api, "viewer")
    here, there, other = (api.log_in(name, LONG_ENOUGH) for _ in range(3))
    with client(api.url, session=here) as browser:
        listed = browser.get("/api/v1/sessions").json()["items"]
        assert [s["current"] for s in listed].count(True) == 1
        assert {s["user"] for s in listed} == {name}
        (old,) = (s["id"] for s in listed if s["id"] == _id(there))
        assert browser.post(f"/account/sessions/{old}/end").status_code == 303
        assert not _is_good(api, there)
        changed = browser.post(
            "/account/password",
            data={"current": LONG_ENOUGH, "password": "n" * 12, "again": "n" * 12},
        )
        assert changed.status_code == 303
        new = changed.cookies[SESSION_COOKIE]
    assert [_is_good(api, s) for s in (here, other, new)] == [False, False, True]
    with client(api.url, session=new) as browser:
        assert browser.post("/logout").headers["location"] == "/login"
    assert not _is_good(api, new)


def test_t12_nobody_ends_the_session_of_another(api: Api) -> None:
    victim = api.log_in(user(api, "viewer"), LONG_ENOUGH)
    with client(api.url, session=api.log_in(user(api, "operator"), LONG_ENOUGH)) as other:
        assert other.delete(f"/api/v1/sessions/{_id(victim)}").status_code == 404
        assert other.post(f"/account/sessions/{_id(victim)}/end").status_code == 404
    assert _is_good(api, victim)
    api.delete(f"sessions/{_id(victim)}")
    assert not _is_good(api, victim)


def test_t12_another_role_or_no_user_any_more_ends_it(api: Api) -> None:
    name = user(api, "viewer")
    session = api.log_in(name, LONG_ENOUGH)
    api.patch(f"users/{name}", {"role": "admin"})
    assert not _is_good(api, session)
    session = api.log_in(name, LONG_ENOUGH)
    api.delete(f"users/{name}")
    assert not _is_good(api, session)


def test_t12_a_stream_ends_with_its_session(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("app.deps", "app.web.stream", "app.api.events"):
        monkeypatch.setattr(f"{module}.LOOK_S", 0.2)
    name = user(api, "viewer")
    session = api.log_in(name, LONG_ENOUGH)
    cookie = {"Cookie": f"{SESSION_COOKIE}={session}"}
    with (
        watching(api.url, "/live/servers", headers=cookie) as page,
        watching(api.url, headers=cookie) as events,
    ):
        api.delete(f"sessions/{_id(session)}")
        assert page.ended.wait(20)
        assert events.ended.wait(20)
    assert b"Log in" in page.raw
    assert b"event: gone" in page.raw


@pytest.mark.parametrize("path", DOWNLOADS)
def test_t12_a_download_ends_with_its_session(
    full: AppThread, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.deps.LOOK_S", 0.0)
    session = full.api.log_in(user(full.api, "admin"), LONG_ENOUGH)
    with client(full.url, session=session) as browser:
        broken_off(browser, path, lambda: full.api.delete(f"sessions/{_id(session)}"))


@pytest.mark.parametrize("path", DOWNLOADS)
def test_t12_a_download_ends_with_the_role_that_it_took(
    full: AppThread, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.deps.LOOK_S", 0.0)
    name = user(full.api, "admin")
    with client(full.url, session=full.api.log_in(name, LONG_ENOUGH)) as browser:
        broken_off(browser, path, lambda: full.api.patch(f"users/{name}", {"role": "viewer"}))


def test_t12_it_ends_by_itself(tmp_path: Path) -> None:
    now = [10**15]
    database = Database(tmp_path / "control.sqlite3")
    table, passwords = UserTable(database), Passwords()
    Users(table, passwords).create(
        {"name": "ana", "role": "viewer", "password": LONG_ENOUGH}, SOCKPIT
    )
    sessions = Sessions(table, SessionTable(database), passwords, lambda: now[0])
    idle = sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent="x" * 500)
    now[0] += IDLE_US - 1
    assert sessions.find(idle, "192.0.2.1") is not None, "and it is seen"
    now[0] += IDLE_US - 1
    assert sessions.find(idle, "192.0.2.1") is not None
    now[0] += IDLE_US
    assert sessions.find(idle, "192.0.2.1") is None
    assert sessions.all() == []
    busy = sessions.log_in("ana", LONG_ENOUGH, address="192.0.2.1", agent="")
    began = now[0]
    while now[0] - began < LONGEST_US - IDLE_US:
        now[0] += IDLE_US // 2
        assert sessions.find(busy, "192.0.2.1") is not None
    now[0] = began + LONGEST_US
    assert sessions.find(busy, "192.0.2.1") is None
    database.close()


def _id(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _is_good(api: Api, session: str) -> bool:
    with client(api.url, session=session) as browser:
        return bool(browser.get("/api/v1/me").status_code == 200)


def test_t12_lists_tell_the_browsers_of_all_to_an_admin(api: Api) -> None:
    name = user(api, "viewer")
    api.log_in(name, LONG_ENOUGH)
    eventually(lambda: name in {s["user"] for s in api.get("sessions")["items"]})


KINDS = (
    *(("single", "thread"), ("threading", "thread"), ("pool", "thread"), ("event", "thread")),
    *(("pool", "process"), ("forking", "process")),
)


@pytest.mark.parametrize(("concurrency", "isolation"), KINDS)
def test_t12_what_a_browser_sends_to_a_server_is_no_way_in(
    api: Api, make_server: MakeServer, concurrency: str, isolation: str
) -> None:
    """Cookies know no ports: a link to a server is enough to have the panel's sent there."""
    server = make_server(concurrency=concurrency, isolation=isolation)
    secret = api.log_in()
    request = f"GET / HTTP/1.1\r\nCookie: {SESSION_COOKIE}={secret}\r\n\r\n".encode()
    with Client(server) as browser:
        assert browser.ask(request[:-60]) == request[:-60]  # also where it comes in two
        seen = json.dumps(api.connections(server["name"]))
        assert browser.ask(request[-60:]) == request[-60:]
    (row,) = api.finished(server["name"], 1)
    seen += json.dumps([row, api.get(f"requests/{row['id']}"), api.connections(server["name"])])
    for direction in ("received", "sent"):
        seen += api.call("GET", f"requests/{row['id']}/{direction}").text
    for form in ("csv", "jsonl", "pcapng"):
        asked = {"format": form, "server": server["name"]}
        found = api.call("GET", "requests/export", params=asked)
        seen += found.content.decode("latin-1")
    seen += api.pages.get(f"/requests/{row['id']}").text
    assert secret[:12] not in seen
    assert base64.b64encode(secret.encode())[4:16].decode() not in seen
    for words, count in ((secret[:12], 0), (SESSION_COOKIE, 1)):
        line = f'server:{server["name"]} "{words}"'
        assert len(api.get("requests", q=line)["items"]) == count
