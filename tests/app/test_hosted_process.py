"""Servers in processes of their own end with the app, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients import Client, refuses
from tests.running import Json, RunningApp, definition
from tests.waiting import eventually


def is_gone(pid: int) -> bool:
    """Ended with every thread; one that nobody has asked for its end yet has ended too."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return True
    # The first thread of a killed process may be over while another still holds its sockets.
    return stat.rpartition(")")[2].split()[0] in ("Z", "X") and len(threads) <= 1


@contextmanager
def hosted(app: RunningApp) -> Iterator[list[Json]]:
    """One of each transport, and one that forks, each with a client connected."""
    bodies = [
        definition("tcp", name="tcp", isolation="process"),
        definition("unix", name="unix", isolation="process"),
        definition("udp", name="udp", isolation="process"),
        definition("tcp", name="forks", concurrency="forking"),
    ]
    servers = [app.api.post("servers", body) for body in bodies]
    connected = [Client(server) for server in servers if server["transport"] != "unix-datagram"]
    try:
        for client in connected:
            assert client.ask(b"hello") == b"hello"
        yield servers
    finally:
        for client in connected:
            client.close()


@pytest.mark.parametrize("way", ["SIGTERM", "SIGKILL"])
def test_none_outlives_the_app(app_process: RunningApp, way: str) -> None:
    with hosted(app_process) as servers:
        pids = [server["pid"] for server in servers]
        children = [int(pid) for server in pids for pid in _children(server)]
        assert children, "the one that forks has a child"
        assert not any(is_gone(pid) for pid in pids)
        assert os.getpid() not in pids
        if way == "SIGTERM":
            assert app_process.stop() == 0
            assert "Traceback" not in app_process.log, app_process.log[-5000:]
        else:
            app_process.kill()
        eventually(lambda: all(is_gone(pid) for pid in (*pids, *children)))
        eventually(lambda: all(refuses(server) for server in servers))


def _children(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for task in tasks for child in task.read_text(encoding="ascii").split()]


def test_what_is_wanted_comes_back_with_the_app(app_process: RunningApp) -> None:
    with hosted(app_process):
        app_process.kill()
    again = app_process.start()
    states = {server["name"]: server["state"] for server in again.api.get("servers")["items"]}
    assert states == dict.fromkeys(("tcp", "unix", "udp", "forks"), "running")
    with Client(again.api.get("servers/unix")) as client:
        assert client.ask(b"again") == b"again"
