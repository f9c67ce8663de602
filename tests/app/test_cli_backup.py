"""`python -m app backup` and `restore`: what they print and exit with, each in one line."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.cli.backup import backup
from app.services import backup as backup_module
from app.store.database import FILE_NAME, Database
from tests.clients import ask
from tests.conftest import LaunchApp
from tests.running import RunningApp, definition


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    """One that runs and has logged three requests."""
    app = launch().start()
    server = app.api.post("servers", definition(name="echo"))
    for _ in range(3):
        ask(server, b"hello")
    app.api.finished("echo", 3)
    return app


def sockpit(app: RunningApp, *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command with the settings of `app`."""
    done = app.command(*arguments)
    return done.returncode, done.stdout, done.stderr


def refused(app: RunningApp, code: int, *arguments: object) -> str:
    """The one line of a command that ends with `code`."""
    found, printed, said = sockpit(app, *arguments)
    assert (found, printed) == (code, ""), said
    (line,) = said.splitlines()
    assert line.startswith("sockpit: ")
    return line


def test_backup_while_it_runs_and_restore_while_it_does_not(app: RunningApp, folder: Path) -> None:
    code, printed, said = sockpit(app, "backup", folder / "b")
    assert (code, said) == (0, "")
    assert re.fullmatch(
        rf"Backed up to {folder / 'b'}: 3 requests of \d days, up to seq 3, and the control "
        r"database as of \S+Z; 0\.\d MB\.\n",
        printed,
    )
    assert f"in use by pid {app.pid}" in refused(app, 4, "restore", folder / "b", "--replace")
    assert app.stop() == 0
    assert "is not empty" in refused(app, 2, "restore", folder / "b")
    code, printed, said = sockpit(app, "restore", folder / "b", "--replace")
    assert (code, said) == (0, "")
    restored, aside = printed.splitlines()
    assert restored.startswith(f"Restored to {app.data_dir}: 3 requests")
    assert aside.startswith(f"What was there is in {app.data_dir / 'replaced-'}")
    app.start()
    assert len(app.api.finished("echo", 3)) == 3
    assert app.api.get("servers/echo")["state"] == "running"


def test_wrong_arguments_are_2_and_one_line(app: RunningApp, folder: Path) -> None:
    assert "is there already" in refused(app, 2, "backup", folder)
    assert "cannot be made" in refused(app, 2, "backup", folder / "no" / "where")
    assert "is no backup" in refused(app, 2, "restore", folder)
    app.settings["PORT"] = "http"
    assert "SOCKPIT_PORT" in refused(app, 2, "backup", folder / "b")
    assert not (folder / "b").exists()


def test_no_data_directory_is_3_and_none_is_made(app: RunningApp, folder: Path) -> None:
    app.settings["DATA_DIR"] = str(folder / "none")
    assert "is no data directory" in refused(app, 3, "backup", folder / "b")
    refused(app, 2, "restore", folder / "b")
    assert not (folder / "none").exists()


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_stopped_amid_it_leaves_nothing(
    told: signal.Signals,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(_: object) -> None:
        signal.raise_signal(told)

    Database(folder / "data" / FILE_NAME).close()
    monkeypatch.setattr(backup_module, "check", stopped)
    monkeypatch.setattr("os.nice", lambda _: 0)
    monkeypatch.setenv("SOCKPIT_DATA_DIR", str(folder / "data"))
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as ended:
            backup(folder / "b")
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "sockpit: It was stopped, and nothing was changed.\n"
    assert [path.name for path in folder.iterdir()] == ["data"]


def test_nobody_is_logged_in_after_a_restore_and_the_audit_tells_of_it(
    app: RunningApp, folder: Path
) -> None:
    app.api.log_in()
    sockpit(app, "backup", folder / "b")
    assert app.stop() == 0
    sockpit(app, "restore", folder / "b", "--replace")
    assert sorted(path.name for path in app.data_dir.glob("control*")) == ["control.sqlite3"]
    with closing(sqlite3.connect(app.data_dir / "control.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM sessions").fetchone() == (0,)
    app.start()
    restored = app.api.get("audit")["items"][0]
    assert (restored["what"], restored["kind"]) == ("instance.restore", "machine")
    assert restored["after"].keys() == {"taken", "version"}
