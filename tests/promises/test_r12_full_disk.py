"""R12: the disk is full. Requests are answered, an alarm is shown, servers can still be changed;
with room again the log goes on by itself, and says how many requests it lacks.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import Json, RunningApp, definition
from tests.waiting import equal, eventually

MIB = 1024**2

#: Of this disk a quarter is kept free, and a sixteenth is ballast.
DISK = 128 * MIB
KEPT_FREE = DISK // 4

#: Kept of each direction of a request; so many of them are more than may wait in memory.
PAYLOAD = bytes(range(256)) * 256
REQUESTS = 600


class Disk:
    """What an app has its data on: a small one of its own, that nobody else sees."""

    def __init__(self, app: RunningApp) -> None:
        app.data_dir.mkdir()
        mount = f'mount -t tmpfs -o size={DISK},mode=700 tmpfs "$0" && exec "$@"'
        app.start(*_unshare(), "sh", "-c", mount, str(app.data_dir))
        self.path = Path(f"/proc/{app.pid}/root{app.data_dir}")

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.path).free

    def fill(self, name: str, left: int) -> None:
        """Have somebody else's file leave so much free."""
        with (self.path / name).open("wb", buffering=0) as file, suppress(OSError):
            while (more := self.free - left) > 0:
                file.write(bytes(min(more, MIB)))

    def clear(self, name: str) -> None:
        (self.path / name).unlink()


def _unshare() -> list[str]:
    """The command that gives a process mounts of its own. Skips where nobody may have them."""
    found = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-r", "-m"]
    try:
        command = [*found, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        tried = subprocess.run(command, capture_output=True, check=False, timeout=20)
    except FileNotFoundError:
        pytest.skip("unshare is not there")
    if tried.returncode != 0:
        pytest.skip(f"no mount of one's own here: {tried.stderr.decode(errors='replace').strip()}")
    return found


def _asks(server: Json, count: int) -> None:
    """So many requests that are answered, each of the most that is kept."""
    for _ in range(count):
        with Client(server) as client:
            assert client.ask(PAYLOAD) == PAYLOAD


@pytest.mark.timeout(170)
def test_r12_full_disk(launch: LaunchApp) -> None:
    app = launch()
    disk = Disk(app)
    api = app.api
    server = api.post("servers", definition(name="echo"))
    _asks(server, 5)
    api.finished("echo", 5)
    equal(lambda: (disk.path / "ballast").exists(), True)

    disk.fill("others", KEPT_FREE - MIB)
    equal(lambda: api.get("log/stats")["state"], "failed", 3)  # though nobody asks for anything
    assert "are kept free" in api.pages.get("/servers").text
    _asks(server, REQUESTS)
    equal(lambda: api.get("log/stats")["received"], REQUESTS + 5)
    assert disk.free >= KEPT_FREE - 2 * MIB, "the log was written"
    stats = api.get("log/stats")
    assert stats["stored"] == 5
    assert stats["dropped"] == REQUESTS - stats["pending"] > 0

    disk.fill("more", 0)
    equal(lambda: (disk.path / "ballast").exists(), False)
    _changes_of_servers_are_saved(app)
    _asks(server, 5)

    equal(lambda: api.get("log/stats")["received"], REQUESTS + 10)
    disk.clear("more")
    disk.clear("others")
    equal(lambda: api.get("log/stats")["state"], "ok", 15)
    equal(lambda: api.get("log/stats")["pending"], 0)
    equal(lambda: (disk.path / "ballast").exists(), True)
    _the_log_is_whole_but_for_the_gap(app)
    assert app.stop() == 0


def _changes_of_servers_are_saved(app: RunningApp) -> None:
    api = app.api
    for number in range(5):
        name = api.post("servers", definition(name=f"late-{number}"))["name"]
        assert api.post(f"servers/{name}/stop")["wanted"] == "stopped"
        assert api.patch(f"servers/{name}", {"limits": {"backlog": 7}})["limits"]["backlog"] == 7
        assert api.post(f"servers/{name}/start")["state"] == "running"
        api.delete(f"servers/{name}")


def _the_log_is_whole_but_for_the_gap(app: RunningApp) -> None:
    stats = app.api.get("log/stats")
    assert stats["received"] == REQUESTS + 10 == stats["stored"] + stats["dropped"]
    count = app.api.get("requests/count")
    assert count == {"rows": stats["stored"], "exact": True}
    (gap,) = eventually(lambda: app.api.gaps("no_room"))
    assert gap["missing"] == stats["dropped"]
    assert app.log.count("the request log is not written") == 1
    assert app.log.count("is given up") == 1
    assert "Traceback" not in app.log
