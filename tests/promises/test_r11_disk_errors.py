"""R11: the disk fails under the log. Requests are answered, an alarm says so, and the log goes on
by itself once it can, with every row once.
"""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from tests.app.log_files import whole
from tests.clients import ask
from tests.conftest import LaunchApp
from tests.running import Json, RunningApp, definition
from tests.waiting import equal


def _says(app: RunningApp, server: Json, number: int) -> None:
    """One request that is answered, whatever the log does."""
    ask(server, b"request %d" % number)


def _in_trouble(app: RunningApp) -> bool:
    return bool(app.api.get("log/stats")["state"] == "failed")


def _serves_through_it(app: RunningApp, failures: int) -> None:
    """Through trouble that begins soon and goes by itself."""
    api = app.api
    server = api.post("servers", definition(name="echo"))
    asked = 0
    while not _in_trouble(app):
        _says(app, server, asked)
        asked += 1
        assert asked < 500, "there was no trouble"
    problem = api.refused(503, "GET", "health")
    assert problem["code"] == "log_failed"
    assert problem["detail"] == "The request log cannot be written; the panel says why."
    for page in ("/servers", "/requests"):
        assert "The request log cannot be written." in api.pages.get(page).text
    for _ in range(20):
        _says(app, server, asked)
        asked += 1
    equal(lambda: api.get("log/stats")["state"], "ok")
    _says(app, server, asked)
    rows = api.finished("echo", asked + 1)
    assert sorted(row["preview"] for row in rows) == sorted(
        f"request {number}" for number in range(asked + 1)
    )
    stats = api.get("log/stats")
    assert (stats["received"], stats["stored"], stats["dropped"]) == (asked + 1, asked + 1, 0)
    assert stats["failures"] >= failures
    assert api.gaps("failed") == api.gaps("dropped") == []  # nothing is missing
    assert api.call("GET", "health").status_code == 200
    assert "The request log cannot be written." not in api.pages.get("/servers").text
    assert app.log.count("cannot be written; trying again") == 1
    assert app.stop() == 0
    assert set(whole(app.data_dir)) == {"ok"}


@pytest.mark.parametrize("place", ["log.before_begin", "log.after_insert", "log.before_commit"])
def test_r11_errors_of_the_disk(launch: LaunchApp, place: str) -> None:
    app = launch({"FAILPOINTS": f"{place}=raise:EIO@3*2"}).start()
    _serves_through_it(app, failures=2)


def test_r11_fsync_that_fails(launch: LaunchApp) -> None:
    """What was written is there and may be found again, though its commit failed."""
    app = launch()
    _start_under_strace(app, "inject=fdatasync:error=EIO:when=4..6")
    _serves_through_it(app, failures=1)


def test_r11_writes_that_fail(launch: LaunchApp) -> None:
    app = launch()
    _start_under_strace(app, "inject=pwrite64:error=EIO:when=30..31")
    _serves_through_it(app, failures=1)


def _start_under_strace(app: RunningApp, inject: str) -> None:
    """Of the log's write-ahead log alone; the panel's process stays the child of this one."""
    _need_strace()
    now = time.time()
    days = [time.strftime("%Y%m%d", time.gmtime(now + late_s)) for late_s in (0, 3_600)]
    files = [f"{app.data_dir}/requests/{day}.sqlite3-wal" for day in sorted(set(days))]
    paths = [part for file in files for part in ("-P", file)]
    syscall = inject.removeprefix("inject=").partition(":")[0]
    quietly = ("-D", "-f", "--seccomp-bpf", "-qq", "-o", str(app.folder / "trace"))
    app.start("strace", *quietly, *paths, "-e", f"trace={syscall}", "-e", inject)


def _need_strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not there: `make browser` installs it")
    tried = subprocess.run(
        ["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, check=False, timeout=20
    )
    if tried.returncode != 0:
        pytest.skip(f"strace may not trace here: {tried.stderr.decode(errors='replace').strip()}")
