"""`python -m app passwd`: the way back in, what it says and what it exits with."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from app.cli.exits import NO_DATA, USAGE
from app.cli.passwd import passwd
from app.services.passwords import Passwords
from app.services.sessions import Sessions
from app.services.users import Users
from app.store.audit import AuditTable
from app.store.database import FILE_NAME, Database
from app.store.users import SessionTable, UserTable
from app.who import SOCKPIT, User
from tests.conftest import LaunchApp
from tests.running import ROOT, RunningApp, log_in
from tests.waiting import DEADLINE_S

OLD, NEW = "the password of before", "another password it is"

Typed = Callable[[bytes], None]


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That of the settings; it is not there yet."""
    found = tmp_path / "data"
    monkeypatch.setenv("SOCKPIT_DATA_DIR", str(found))
    return found


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Has bytes come through a pipe."""

    def pipe(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))

    return pipe


@pytest.fixture
def database(data_dir: Path) -> Iterator[Database]:
    """With the admin `root` and the viewer `ana`."""
    with closing(Database(data_dir / FILE_NAME)) as opened:
        users = Users(UserTable(opened), Passwords())
        for name, role in (("root", "admin"), ("ana", "viewer")):
            users.create({"name": name, "role": role, "password": OLD}, SOCKPIT)
        yield opened


def user(database: Database, name: str) -> User:
    found = UserTable(database).get(name)
    assert found is not None
    return found


def refused(name: str, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code and the one line that says why."""
    with pytest.raises(SystemExit) as ended:
        passwd(name)
    printed, said = capsys.readouterr()
    assert printed == ""
    (line,) = said.splitlines()
    assert line.startswith("sockpit: ")
    return ended.value.code, line


def test_the_first_user_can_be_made_before_the_first_start(launch: LaunchApp) -> None:
    app = launch({"ADMIN_PASSWORD": "", "API_TOKEN": ""})
    made = app.command("passwd", "ana", typed=f"{NEW}\n")
    assert (made.returncode, made.stdout, made.stderr) == (0, "The admin ana was made.\n", "")
    app.start()
    assert log_in(app.url, "ana", NEW)
    assert "/setup?key=" not in app.log


def test_a_user_keeps_its_role_and_is_logged_out(
    database: Database, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    passwords, users = Passwords(), UserTable(database)
    sessions = Sessions(users, SessionTable(database), passwords)
    sessions.log_in("ana", OLD, address="", agent="")
    typed(f"{NEW}\n".encode())
    passwd("ana")
    assert capsys.readouterr().out == "ana has a new password.\n"
    assert user(database, "ana").role == "viewer"
    assert passwords.matches(NEW, user(database, "ana").password)
    assert passwords.matches(OLD, user(database, "root").password)
    assert sessions.all() == []
    newest = AuditTable(database).page(limit=1)[0]
    assert (newest.who, newest.what, newest.target) == ("sockpit", "user.change", "ana")


@pytest.mark.parametrize("line", [NEW, f"{NEW}\n", f"{NEW}\r\n", f"{NEW}\nand another line\n"])
def test_a_password_is_one_line(database: Database, typed: Typed, line: str) -> None:
    typed(line.encode())
    passwd("ana")
    assert Passwords().matches(NEW, user(database, "ana").password)


def test_spaces_belong_to_it(database: Database, typed: Typed) -> None:
    typed(f"  {NEW}  \n".encode())
    passwd("ana")
    assert Passwords().matches(f"  {NEW}  ", user(database, "ana").password)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("ana", b"", "10 to 256 characters"),
        ("ana", b"\n", "10 to 256 characters"),
        ("ana", b"short\n", "10 to 256 characters"),
        ("ana", b"x" * 257, "10 to 256 characters"),
        ("ana", b"\xff\xfe and ten more\n", "UTF-8"),
        ("no name", NEW.encode(), "A name is"),
        ("", NEW.encode(), "A name is"),
        ("-" * 65, NEW.encode(), "A name is"),
    ],
)
def test_what_is_none_is_2_and_changes_nothing(
    database: Database,
    typed: Typed,
    capsys: pytest.CaptureFixture[str],
    name: str,
    data: bytes,
    words: str,
) -> None:
    before = UserTable(database).all()
    typed(data)
    code, line = refused(name, capsys)
    assert (code, words in line) == (USAGE, True), line
    assert "and ten more" not in line
    assert UserTable(database).all() == before


def test_a_wrong_setting_is_2_before_anything_is_asked(
    data_dir: Path,
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SOCKPIT_PORT", "http")
    typed(NEW.encode())
    code, line = refused("ana", capsys)
    assert (code, "SOCKPIT_PORT" in line) == (USAGE, True)
    assert sys.stdin.read() == NEW, "it is still there"
    assert not data_dir.exists()


def test_a_database_that_cannot_be_used_is_3(
    data_dir: Path, typed: Typed, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir.mkdir()
    (data_dir / FILE_NAME).write_bytes(b"this is no database at all" * 100)
    typed(NEW.encode())
    code, line = refused("ana", capsys)
    assert (code, str(data_dir) in line) == (NO_DATA, True)
    assert (data_dir / FILE_NAME).read_bytes().startswith(b"this is no database")


# -- at a terminal ----------------------------------------------------------------------------


def at_terminal(app: RunningApp, *answers: str) -> tuple[int, str]:
    """The exit code of `passwd ana`, and what the terminal showed; each answer is typed once it
    is asked for."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "passwd", "ana"],
        cwd=ROOT,
        env=app.environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # without a terminal of its own it asks at these
    )
    os.close(theirs)
    shown = b""
    try:
        for question, answer in zip((b"New password: ", b"Again: "), answers, strict=True):
            while not shown.endswith(question):
                shown += os.read(ours, 4096)
            os.write(ours, f"{answer}\n".encode())
        with suppress(OSError):  # it ends by an error once nobody is left to write to it
            while more := os.read(ours, 4096):
                shown += more
        return process.wait(DEADLINE_S), shown.decode()
    finally:
        process.kill()
        process.wait(DEADLINE_S)
        os.close(ours)


def test_at_a_terminal_it_asks_twice_and_shows_nothing(launch: LaunchApp) -> None:
    app = launch()
    code, shown = at_terminal(app, NEW, NEW)
    assert (code, NEW in shown) == (0, False)
    assert shown.endswith("The admin ana was made.\r\n")
    with closing(Database(app.data_dir / FILE_NAME)) as database:
        assert Passwords().matches(NEW, user(database, "ana").password)


def test_two_that_are_not_the_same_change_nothing(launch: LaunchApp) -> None:
    app = launch()
    code, shown = at_terminal(app, NEW, OLD)
    assert code == USAGE
    assert "The two are not the same; nothing was changed." in shown
    assert not app.data_dir.exists()
