"""T8: nobody takes over what is not set up, and nothing is open to others without a login."""

from __future__ import annotations

import re
import socket
import time
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from app.cli.exits import OPEN_TO_ALL, USAGE
from app.errors import Forbidden
from app.services.passwords import Passwords
from app.services.users import SET_UP_S, Users
from app.store.database import Database
from app.store.users import UserTable
from tests.conftest import LaunchApp
from tests.running import SESSION_COOKIE, Api, AppThread, RunningApp, log_in
from tests.waiting import DEADLINE_S, eventually

PASSWORD = "a password of ten and more"


@pytest.fixture
def fresh(launch: LaunchApp) -> RunningApp:
    """Nobody was ever given anything."""
    return launch({"ADMIN_PASSWORD": "", "API_TOKEN": ""}).start()


def link(app: RunningApp) -> str:
    """What was printed at the latest start."""
    eventually(lambda: "/setup?key=" in app.log)
    return str(re.findall(r"http://\S+/setup\?key=\S+", app.log)[-1])


def choose(app: RunningApp, key: str, **fields: str) -> httpx2.Response:
    body = {"key": key, "name": "ana", "password": PASSWORD, "again": PASSWORD, **fields}
    return httpx2.post(f"{app.url}/setup", data=body, trust_env=False)


def test_t08_the_printed_link_leads_to_a_password_and_in(fresh: RunningApp) -> None:
    assert fresh.api.call("GET", "servers").status_code == 401
    login = httpx2.get(f"{fresh.url}/login", trust_env=False).text
    assert "Open the link that Sockpit printed" in login
    where = link(fresh)
    key = where.partition("key=")[2]
    assert "Choose a name and a password" in httpx2.get(where, trust_env=False).text
    in_ = choose(fresh, key)
    assert (in_.status_code, in_.headers["location"]) == (303, "/")
    cookies = {SESSION_COOKIE: in_.cookies[SESSION_COOKIE]}
    with httpx2.Client(base_url=fresh.url, trust_env=False, cookies=cookies) as browser:
        assert browser.get("/servers").status_code == 200
        assert browser.get("/api/v1/me").json()["role"] == "admin"
        audit = [entry["what"] for entry in browser.get("/api/v1/audit").json()["items"]]
        assert audit == ["session.begin", "user.set_up"]
    for again in (httpx2.get(where, trust_env=False), choose(fresh, key, name="eve")):
        assert again.status_code == 403
        assert "there is somebody to log in as" in again.text
    assert log_in(fresh.url, "ana", PASSWORD)


def test_t08_the_link_alone_opens_and_wrong_fields_are_told(fresh: RunningApp) -> None:
    key = link(fresh).partition("key=")[2]
    for wrong in ("", "x", key[:-1], key + "x"):
        assert choose(fresh, wrong).status_code == 403
    for field, fields in (
        ("name", {"name": "no name"}),
        ("password", {"password": "short", "again": "short"}),
        ("again", {"again": "another one altogether"}),
    ):
        refused = choose(fresh, key, **fields)
        assert refused.status_code == 422
        assert f'id="error-{field}"' in refused.text
        assert PASSWORD not in refused.text
    assert choose(fresh, key).status_code == 303


def test_t08_after_the_window_it_says_how(tmp_path: Path) -> None:
    now = [0.0]
    database = Database(tmp_path / "control.sqlite3")
    users = Users(UserTable(database), Passwords(), lambda: now[0])
    key = users.set_up_key()
    assert key is not None
    now[0] = SET_UP_S - 1
    users.check_set_up(key)
    now[0] = SET_UP_S
    with pytest.raises(Forbidden, match="python -m app passwd") as refused:
        users.set_up(key, {"name": "ana", "password": PASSWORD}, "127.0.0.1")
    assert (refused.value.status, refused.value.code) == (403, "setup_closed")
    assert not users.any()
    database.close()


def test_t08_after_the_window_the_link_leads_nowhere(folder: Path) -> None:
    with closing(AppThread(folder, admin_password=None)) as app:
        users = app.sockpit.access.users
        key = users.set_up_key()
        where = f"{app.url}/setup?key={key}"
        body = {"key": key, "name": "ana", "password": PASSWORD, "again": PASSWORD}
        assert httpx2.get(where, trust_env=False).status_code == 200
        users._clock_s = lambda: time.monotonic() + SET_UP_S
        for answer in (
            httpx2.get(where, trust_env=False),
            httpx2.post(f"{app.url}/setup", data=body, trust_env=False),
        ):
            assert answer.status_code == 403
            assert "python -m app passwd" in answer.text
            assert SESSION_COOKIE not in answer.cookies
        assert app.api.get("users")["items"] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_t08_it_does_not_listen_for_others_without_a_login(launch: LaunchApp, host: str) -> None:
    app = launch({"HOST": host, "ADMIN_PASSWORD": "", "API_TOKEN": ""})
    process = app.launch()
    assert process.wait(DEADLINE_S) == OPEN_TO_ALL
    assert "Traceback" not in app.log
    for way in ("SOCKPIT_ADMIN_PASSWORD_FILE", "SOCKPIT_API_TOKEN_FILE", "passwd", "127.0.0.1"):
        assert way in app.log
    with (
        pytest.raises(ConnectionRefusedError),
        socket.create_connection(("127.0.0.1", app.port), 1),
    ):
        pass


@pytest.mark.parametrize(
    "given", ["ADMIN_PASSWORD", "API_TOKEN", "ADMIN_PASSWORD_FILE", "API_TOKEN_FILE"]
)
def test_t08_it_listens_for_others_with_one(launch: LaunchApp, folder: Path, given: str) -> None:
    secret = "a-secret-of-the-deployment"
    value = secret
    if given.endswith("_FILE"):
        (folder / "secret").write_text(f"{secret}\n")
        value = str(folder / "secret")
    app = launch({"HOST": "0.0.0.0", "ADMIN_PASSWORD": "", "API_TOKEN": "", given: value}).start()
    if "TOKEN" in given:
        api = Api(app.url, secret)
        assert api.get("me")["kind"] == "deployment"
        api.close()
    else:
        assert log_in(app.url, "admin", secret)
    assert secret not in app.log


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ADMIN_PASSWORD": "short"}, "SOCKPIT_ADMIN_PASSWORD"),
        ({"API_TOKEN": "short"}, "SOCKPIT_API_TOKEN"),
        ({"API_TOKEN": "with a space in it, and long"}, "SOCKPIT_API_TOKEN"),
        ({"API_TOKEN_FILE": "/nowhere/at/all", "API_TOKEN": ""}, "SOCKPIT_API_TOKEN_FILE"),
        ({"API_TOKEN_FILE": __file__}, "SOCKPIT_API_TOKEN_FILE"),
    ],
)
def test_t08_a_wrong_one_is_told_without_saying_it(
    launch: LaunchApp, settings: dict[str, str], named: str
) -> None:
    app = launch(settings)
    assert app.launch().wait(DEADLINE_S) == USAGE
    assert app.log.count("\n") == 1
    assert named in app.log
    for value in settings.values():
        assert not value or "/" in value or value not in app.log


def test_t08_the_machine_itself_gives_a_new_password(launch: LaunchApp) -> None:
    app = launch().start()
    session = log_in(app.url)
    done = app.command("passwd", "admin", typed="another password it is\n")
    assert (done.returncode, done.stdout) == (0, "admin has a new password.\n")
    with httpx2.Client(base_url=app.url, trust_env=False) as browser:
        browser.cookies.set(SESSION_COOKIE, session)
        assert browser.get("/servers").status_code == 303
    assert log_in(app.url, "admin", "another password it is")
    made = app.command("passwd", "rescue", typed="another password it is\n")
    assert made.stdout == "The admin rescue was made.\n"
    assert log_in(app.url, "rescue", "another password it is")
    for name, password in (("admin", "short"), ("no name", "long enough for this")):
        refused = app.command("passwd", name, typed=f"{password}\n")
        assert (refused.returncode, refused.stderr.count("\n")) == (USAGE, 1)
