"""T27, with the grep of T13: a secret is in nobody's log, answer, database, backup or address.

Each is made up for the test, used in every way there is, right and wrong, and then looked for.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from pathlib import Path

import httpx2
import pytest

from app.private import keep_private
from tests.certificates import Certificates
from tests.clients import Client, ask
from tests.conftest import LaunchApp
from tests.running import (
    BEARER,
    PASSWORD,
    SESSION_COOKIE,
    TOKEN,
    Api,
    AppThread,
    RunningApp,
    definition,
    log_in,
    offer,
)

RAISING = """
    import os
    from socketserver import BaseRequestHandler

    class Raising(BaseRequestHandler):
        def handle(self):
            environment = dict(os.environ)
            raise RuntimeError(f"with {environment}")
"""


class Secrets:
    """What must not be found, by what it is. All are random, but for those of the settings."""

    def __init__(self) -> None:
        self.values = {"password of the settings": PASSWORD, "token of the settings": TOKEN}

    def new(self, what: str, value: str = "") -> str:
        self.values[what] = value or f"S{secrets.token_hex(12)}"
        return self.values[what]

    def found_in(self, data: bytes) -> list[str]:
        """Also as base64 spells it, at the start of what is encoded."""
        return [
            what
            for what, value in self.values.items()
            if value.encode() in data or base64.b64encode(value.encode())[:-4] in data
        ]


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    return launch().start()


def use(app: RunningApp, kept: Secrets) -> list[httpx2.Response]:
    """Every way in, right and wrong; all answers but those that show a secret once."""
    api = app.api
    kept.new("session", log_in(app.url))
    answers = [
        api.pages.post("/login", data={"name": "admin", "password": kept.new("typed wrong")}),
        api.pages.post("/login", data={"name": kept.new("typed as a name"), "password": "x"}),
        api.call("POST", "users", json=_user("ann", kept.new("password of a user"))),
        api.call("POST", "users", json=_user("ann", kept.new("password of one who is there"))),
        api.call("POST", "users", json=_user("no name!", kept.new("password that is refused"))),
        api.call("PATCH", "users/ann", json={"password": kept.new("changed password")}),
        api.call("PATCH", "users/ann", json={"password": [kept.new("password in a list")]}),
        api.call("POST", "users", json={**_user("b", "x" * 12), kept.new("as a field"): 1}),
    ]
    answers.pop()  # a field that there is not is told of, by whoever typed it
    del kept.values["as a field"], kept.values["typed as a name"]  # told: it was no secret
    fields = {"current": kept.new("typed as the current"), "password": kept.new("typed as new")}
    answers.append(api.pages.post("/account/password", data={**fields, "again": "x"}))
    made = api.call("POST", "tokens", json={"name": "ci", "role": "viewer"}).json()
    kept.new("token", made["token"] if "token" in made else made["secret"])
    shown = api.pages.post("/tokens", data={"name": "page", "role": "viewer"})
    kept.new("token of the page", _between(shown.text, 'id="new-token">', "<"))
    for secret in (kept.values["token"], kept.new("no token", "sck_" + secrets.token_hex(16))):
        bearer = {"Authorization": f"Bearer {secret}"}
        answers.append(httpx2.get(f"{app.url}/api/v1/servers", headers=bearer, trust_env=False))
        answers.append(httpx2.get(f"{app.url}/api/v1/nothing", headers=bearer, trust_env=False))
    cookie = {"Cookie": f"{SESSION_COOKIE}={kept.new('no session')}"}
    answers.append(httpx2.get(f"{app.url}/servers", headers=cookie, trust_env=False))
    basic = {"Authorization": "Basic " + base64.b64encode(b"admin:" + PASSWORD.encode()).decode()}
    answers.append(httpx2.get(f"{app.url}/api/v1/servers", headers=basic, trust_env=False))
    return answers


def _user(name: str, password: str) -> dict[str, str]:
    return {"name": name, "role": "viewer", "password": password}


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].partition(after)[0]


PAGES = (
    *("/servers", "/requests", "/users", "/users/ann", "/tokens", "/audit", "/account", "/docs"),
    *("/servers/trap", "/handlers", "/login", "/nothing"),
)
LISTS = ("servers", "requests", "users", "tokens", "sessions", "audit", "audit/export", "me")


def test_t27_secrets_are_nowhere(app: RunningApp) -> None:
    kept = Secrets()
    answers = use(app, kept)
    raising = offer(app, "raising_environment.py", RAISING)
    for isolation in ("thread", "process"):
        name = f"trap-{isolation}"
        server = app.api.post(
            "servers", definition(name=name, handler=raising, isolation=isolation)
        )
        with Client(server) as client:
            client.say(b"hello")
        (row,) = app.api.finished(name, 1)
        assert "RuntimeError" in row["error"]
        answers.append(app.api.call("GET", f"requests/{row['id']}"))
    answers += [app.api.pages.get(path) for path in PAGES]
    answers += [app.api.call("GET", path) for path in LISTS]
    for answer in answers:
        told = str(dict(answer.headers)).encode() + answer.content
        assert kept.found_in(told) == [], answer.url
    backup = app.folder / "backup"
    assert app.command("backup", backup).returncode == 0
    assert kept.found_in(app.log.encode()) == []
    assert "raised" in app.log or "a login as" in app.log
    assert_not_in(kept, app.data_dir)
    assert_not_in(kept, backup)
    assert app.stop() == 0
    assert kept.found_in(app.log.encode()) == []
    assert_not_in(kept, app.data_dir)


def assert_not_in(kept: Secrets, folder: Path) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert any(path.name.startswith("control") for path in files)
    for path in files:
        data = path.read_bytes()
        assert kept.found_in(data) == [], path
    digest = hashlib.sha256(kept.values["token"].encode())
    stored = b"".join(path.read_bytes() for path in files if path.name.startswith("control"))
    # So that we know to have looked in the right place: what is stored of a token is its digest.
    assert digest.digest() in stored or digest.hexdigest().encode() in stored


@pytest.mark.parametrize("name", ["token", "api_token", "access_token", "key", "authorization"])
def test_t13_token_in_an_address_counts_for_nothing(app_thread: AppThread, name: str) -> None:
    nobody = Api(app_thread.url, token=None)
    answer = nobody.call("GET", "servers", params={name: TOKEN})
    nobody.close()
    assert answer.status_code == 401
    assert TOKEN not in answer.text


def test_t27_fault_is_told_by_an_id_alone(
    app_thread: AppThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError(f"inside {__file__}")

    monkeypatch.setattr(app_thread.sockpit.services.requests, "_stats", broken)
    api = app_thread.api
    with caplog.at_level(logging.DEBUG):
        answers = [
            api.pages.get("/servers?token=SECRET-1", headers={**BEARER, "X-Secret": "SECRET-2"}),
            api.call("GET", "log/stats", params={"token": "SECRET-1"}),
        ]
    marks = [record.getMessage().split()[-1] for record in caplog.records if record.exc_info]
    for answer, mark in zip(answers, marks, strict=True):
        assert answer.status_code == 500
        assert mark in answer.text
        for word in ("Traceback", "RuntimeError", __file__, "site-packages", 'File "'):
            assert word not in answer.text
    told = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("app"))
    assert ours
    for secret in ("SECRET", TOKEN, api.pages.cookies[SESSION_COOKIE]):
        assert secret not in ours, told


#: Whoever starts it wants everybody to read and write what it makes.
LAVISH = ("sh", "-c", 'umask 0; exec "$@"', "sh")

WRITING = """
    from pathlib import Path
    from socketserver import BaseRequestHandler

    class Writing(BaseRequestHandler):
        def handle(self):
            named = self.request.recv(1000)
            Path(named.decode()).touch()
            self.request.sendall(named)
"""


def seen_by_others(folder: Path) -> list[str]:
    """What of a folder that others may enter has rights for them."""
    return [
        f"{path.relative_to(folder)} {path.lstat().st_mode:o}"
        for path in folder.rglob("*")
        if path.lstat().st_mode & 0o077
    ]


def test_t27_what_is_recorded_is_for_nobody_else_to_read(
    launch: LaunchApp, certificates: Certificates
) -> None:
    """In a data folder that was there, which others may enter."""
    app = launch()
    app.data_dir.mkdir()
    app.data_dir.chmod(0o755)
    app.start(*LAVISH)
    log_in(app.url)
    pair = certificates.server
    pem = pair.certificate.read_text() + pair.private_key.read_text()
    app.api.post("certificates", {"name": "own", "pem": pem})
    writing = offer(app, "writing.py", WRITING)
    for isolation in ("thread", "process"):
        server = app.api.post("servers", definition(handler=writing, isolation=isolation))
        ask(server, str(app.data_dir / f"made-by-a-{isolation}").encode())
        app.api.finished(server["name"], 1)
    app.api.post("servers", definition("unix"))
    assert {path.name for path in app.data_dir.glob("*.sqlite3-*")} >= {"control.sqlite3-wal"}
    assert seen_by_others(app.data_dir) == []
    assert len(list(app.data_dir.rglob("*.sqlite3"))) == 2
    app.stop()
    for path in app.data_dir.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)
    (app.data_dir / "sockets").chmod(0o755)  # with 0777 it is not used
    app.start(*LAVISH)
    app.api.get("users")
    recorded = ("control", "requests", "tls")
    assert [path for path in seen_by_others(app.data_dir) if path.startswith(recorded)] == []


@pytest.mark.parametrize("command", ["passwd", "restore"])
def test_t27_nor_what_a_command_makes(launch: LaunchApp, command: str) -> None:
    app = launch()
    source = app.folder / "backup"
    if command == "restore":
        app.start()
        assert app.command("backup", source).returncode == 0
        assert seen_by_others(app.folder / "backup") == []
        app = launch()
    app.data_dir.mkdir()
    app.data_dir.chmod(0o755)
    arguments = ("passwd", "admin") if command == "passwd" else ("restore", source)
    done = app.command(*arguments, typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert (app.data_dir / "control.sqlite3").is_file()
    assert seen_by_others(app.data_dir) == []


def test_t27_what_cannot_be_made_private_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("it belongs to another user")

    path = tmp_path / "control.sqlite3"
    path.touch(0o644)
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", refused)
    with caplog.at_level(logging.WARNING, "app"):
        keep_private(tmp_path)
    (line,) = caplog.messages
    assert str(path) in line
    assert "it belongs to another user" in line
