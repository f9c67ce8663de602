"""T18: a Unix server is a name in one folder of ours; nothing else is bound, removed, followed."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp, MakeServer
from tests.running import Api, AppThread, Json, definition
from tests.waiting import eventually

UNIX = ("unix", "unix-datagram")
each_transport = pytest.mark.parametrize("transport", UNIX)
each_isolation = pytest.mark.parametrize("isolation", ["thread", "process"])

NAMES = (
    *("../../x.sock", "/tmp/x.sock", "sub/x.sock", "..", ".", "", " ", "a\0b", "\0abstract"),
    *("@abstract", "x" * 108, "x" * 65, "é.sock", "a\nb", "-\u202e"),
)


def place(app: AppThread, server: Json) -> Path:
    return app.data_dir.resolve() / "sockets" / str(server["address"]["name"])


@pytest.mark.parametrize("name", NAMES)
@each_transport
def test_t18_what_is_no_name_is_refused(
    api: Api, app_thread: AppThread, make_server: MakeServer, transport: str, name: str
) -> None:
    before = sorted(app_thread.data_dir.parent.rglob("*.sock"))
    body = definition(transport, address={"name": name})
    problem = api.refused(422, "POST", "servers", json=body)
    assert problem["field"] == "address.name"
    server = make_server(transport, wanted="stopped")
    change = {"address": {"name": name}}
    problem = api.refused(422, "PATCH", f"servers/{server['name']}", json=change)
    assert problem["field"] == "address.name"
    assert sorted(app_thread.data_dir.parent.rglob("*.sock")) == before


@contextmanager
def in_the_way(path: Path, what: str, target: Path) -> Iterator[None]:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    target.write_text("dear")
    listener = None
    if what == "file":
        path.write_text("dear")
    elif what == "link to a file":
        path.symlink_to(target)
    elif what == "link to nothing":
        path.symlink_to("/nowhere/at/all")
    else:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(1)
    try:
        yield
    finally:
        if listener is not None:
            listener.close()
        path.unlink()


@pytest.mark.parametrize("what", ["file", "link to a file", "link to nothing", "live socket"])
@each_isolation
@each_transport
def test_t18_what_is_in_the_way_stays(
    api: Api,
    app_thread: AppThread,
    make_server: MakeServer,
    folder: Path,
    transport: str,
    isolation: str,
    what: str,
) -> None:
    server = make_server(transport, isolation=isolation, wanted="stopped")
    path, target = place(app_thread, server), folder / "target"
    with in_the_way(path, what, target):
        before = path.lstat()
        problem = api.refused(409, "POST", f"servers/{server['name']}/start")
        assert (problem["code"], problem["field"]) == ("socket_name_taken", "address.name")
        api.post(f"servers/{server['name']}/stop")
        api.delete(f"servers/{server['name']}")
        after = path.lstat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert target.read_text() == "dear"
        if what == "live socket":
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))


@each_isolation
@each_transport
def test_t18_only_the_socket_that_was_bound_is_removed(
    api: Api, app_thread: AppThread, make_server: MakeServer, transport: str, isolation: str
) -> None:
    server = make_server(transport, isolation=isolation)
    path = place(app_thread, server)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(path))
        before = path.lstat().st_ino
        api.post(f"servers/{server['name']}/stop")
        assert path.lstat().st_ino == before
    path.unlink()


@each_isolation
@each_transport
def test_t18_modes(
    app_thread: AppThread, make_server: MakeServer, transport: str, isolation: str
) -> None:
    server = make_server(transport, isolation=isolation)
    path = place(app_thread, server)
    assert path.lstat().st_mode & 0o777 == 0o600
    assert path.parent.lstat().st_mode & 0o777 == 0o700
    assert path.parent.lstat().st_uid == os.geteuid()


@each_isolation
def test_t18_a_stale_one_of_ours_is_taken_over(launch: LaunchApp, isolation: str) -> None:
    app = launch().start()
    body = definition("unix", isolation=isolation)
    server = app.api.post("servers", body)
    path = Path(server["server_address"])
    app.kill()
    # A host process ends by itself when its parent is gone.
    eventually(lambda: _is_dead(server))
    left = path.lstat() if path.exists() else None
    assert left is None or path.is_socket()
    if isolation == "thread":
        assert left is not None
    app.start()
    again = eventually(lambda: _running(app.api, server["name"]))
    with Client(again) as client:
        assert client.ask(b"here") == b"here"


def _is_dead(server: Json) -> bool:
    try:
        os.kill(server["pid"], 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{server['pid']}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def _running(api: Api, name: str) -> Json | None:
    server = api.get(f"servers/{name}")
    return server if server["state"] == "running" else None


def test_t18_a_host_that_is_killed_leaves_nothing_behind_a_stop(
    api: Api, app_thread: AppThread, make_server: MakeServer
) -> None:
    server = make_server("unix", isolation="process")
    path = place(app_thread, server)
    os.kill(server["pid"], signal.SIGKILL)
    eventually(lambda: api.get(f"servers/{server['name']}")["state"] == "failed")
    api.post(f"servers/{server['name']}/stop")
    assert not path.exists()


@pytest.mark.parametrize(("mode", "told"), [(0o770, "other users"), (0o703, "other users")])
def test_t18_a_folder_that_others_may_write_in_is_not_used(
    launch: LaunchApp, mode: int, told: str
) -> None:
    app = launch()
    folder = app.data_dir / "sockets"
    folder.mkdir(parents=True)
    folder.chmod(mode)
    app.start()
    problem = app.api.refused(503, "POST", "servers", json=definition("unix"))
    assert problem["code"] == "socket_folder_unsafe"
    assert str(folder.resolve()) in problem["detail"]
    assert told in problem["detail"]
    assert os.listdir(folder) == []


def test_t18_nor_is_one_of_another_user(launch: LaunchApp) -> None:
    app = launch()
    folder = app.data_dir / "sockets"
    folder.mkdir(mode=0o700, parents=True)
    try:
        os.chown(folder, 12345, 12345)
    except OSError as error:  # no superuser, or one of a namespace that has no such user
        pytest.skip(f"a folder cannot be given away here: {error}")
    app.start()
    problem = app.api.refused(503, "POST", "servers", json=definition("unix"))
    assert problem["code"] == "socket_folder_unsafe"
