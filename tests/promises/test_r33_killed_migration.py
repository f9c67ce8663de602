"""R33: a process is killed at any statement of a migration. The next one finishes it, and what was
there before is kept beside it.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from app.failpoints import arm
from app.store.database import FILE_NAME, Database, backup_path
from app.store.servers import ServerTable
from tests.app.store.test_migrations import write_0001
from tests.conftest import LaunchApp
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]

#: Statements of all migrations there are, at the least.
STEPS = 20


@pytest.mark.parametrize("before", ["0001", "nothing"])
def test_r33_killed_at_each_step(tmp_path: Path, before: str) -> None:
    if before == "0001":
        write_0001(tmp_path / FILE_NAME)
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) >= STEPS


def test_r33_the_app_starts_after_it(launch: LaunchApp) -> None:
    app = launch({"FAILPOINTS": "migrate.step_9=kill"})
    app.data_dir.mkdir()
    write_0001(app.data_dir / FILE_NAME)
    assert app.launch().wait(DEADLINE_S) == -signal.SIGKILL
    app.settings["FAILPOINTS"] = ""
    app.start()
    assert [server["name"] for server in app.api.get("servers")["items"]] == ["clock", "local"]


def killed_at_each_step(folder: Path) -> int:
    """Returns: how many there are. A process for each, forked from one that has no thread."""
    whole = _copy(folder, "whole")
    _migrate(whole)
    expected = _story(whole)
    for step in count(1):
        path = _copy(folder, f"step-{step}")
        kept = _contents(path)
        child = os.fork()
        if not child:
            arm(f"migrate.step_{step}=kill")
            _migrate(path)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert _contents(path) == (kept if status else _contents(whole)), step
        if kept:
            assert _contents(backup_path(path, "0001")) == kept, step
        _migrate(path)
        assert _story(path) == expected, step
        assert not list(path.parent.glob("*.new")), step
        if not status:
            return step - 1
        assert os.WTERMSIG(status) == signal.SIGKILL, status
    raise AssertionError


def _copy(folder: Path, name: str) -> Path:
    """A place of its own for the database that is there, if there is one."""
    path = folder / name / FILE_NAME
    path.parent.mkdir()
    if (folder / FILE_NAME).exists():
        shutil.copy(folder / FILE_NAME, path)
    return path


def _migrate(path: Path) -> None:
    Database(path).close()


def _contents(path: Path) -> list[str]:
    """All of it as SQL, read without a lock; nothing of a file that is not there."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [line for line in connection.iterdump() if line not in _AROUND]


_AROUND = ("BEGIN TRANSACTION;", "COMMIT;")


def _story(path: Path) -> object:
    with closing(Database(path)) as database:
        return ServerTable(database).all(), _contents(path)


if __name__ == "__main__":
    sys.stdout.write(f"{killed_at_each_step(Path(sys.argv[1]))}\n")
