"""The end of the process, asked for or not, and what is there when it begins again."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests.app.log_files import received, whole
from tests.clients import Client, clients, refuses, talk
from tests.conftest import LaunchApp
from tests.running import RunningApp, definition, offer
from tests.waiting import DEADLINE_S, equal, eventually
from tests.watching import watching

#: Seconds from the signal to the end of the process; a supervisor kills after ten.
END_S = 8

STUCK = {
    "sleeping.py": """
        import time
        from socketserver import BaseRequestHandler

        class Sleeping(BaseRequestHandler):
            def handle(self):
                while True:
                    time.sleep(1)
    """,
    "spinning.py": """
        from socketserver import BaseRequestHandler

        class Spinning(BaseRequestHandler):
            def handle(self):
                while True:
                    pass
    """,
}


def stuck(app: RunningApp, stack: ExitStack) -> None:
    """Servers whose handlers never end, each with a client that it is stuck with."""
    keys = {name: offer(app, name, source) for name, source in STUCK.items()}
    for file_name, concurrency in (
        ("sleeping.py", "single"),
        ("sleeping.py", "threading"),
        ("spinning.py", "threading"),
    ):
        body = definition(handler=keys[file_name], concurrency=concurrency)
        server = app.api.post("servers", body)
        stack.enter_context(Client(server))
        eventually(partial(app.api.connections, server["name"]))


def test_end_is_in_time_and_loses_nothing_that_was_answered(app_process: RunningApp) -> None:
    app = app_process
    server = app.api.post("servers", definition(name="talking"))
    answered: list[bytes] = []
    numbers = count(1)
    with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
        for path in ("/api/v1/events", "/api/v1/events", "/live/servers", "/live/requests"):
            stack.enter_context(watching(app.url, path))
        stuck(app, stack)
        idle = stack.enter_context(clients(server, 10))
        talking = [pool.submit(talk, server, numbers, answered) for _ in range(3)]
        eventually(lambda: len(answered) > 50)
        began = time.monotonic()
        assert app.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began < END_S
        for done in talking:
            done.result(DEADLINE_S)
        assert all(client.sees_the_end(DEADLINE_S) for client in idle)
    assert refuses(server)
    assert set(whole(app.data_dir)) == {"ok"}
    stored = received(app.data_dir, "talking")
    assert [word for word in answered if word not in stored] == []
    assert "open" not in stored.values()
    assert "Traceback" not in app.log


def test_interrupt_ends_it_as_well(app_process: RunningApp) -> None:
    app = app_process
    server = app.api.post("servers", definition(name="talking"))
    with watching(app.url) as watch, Client(server) as client:
        assert client.ask(b"hello") == b"hello"
        assert app.stop(signal.SIGINT) == 0
        assert watch.ended.wait(DEADLINE_S)
        assert client.sees_the_end(DEADLINE_S)
    assert received(app.data_dir, "talking") == {b"hello": "stopped"}


def test_end_while_idle_says_nothing_wrong(app_process: RunningApp) -> None:
    assert app_process.stop() == 0
    assert app_process.log == f"Sockpit is at {app_process.url}  (Ctrl+C stops it)\n"


def test_second_signal_does_no_harm(app_process: RunningApp) -> None:
    app = app_process
    server = app.api.post("servers", definition())
    with ExitStack() as stack:
        stuck(app, stack)
        stack.enter_context(watching(app.url))
        with Client(server) as client:
            assert client.ask(b"answered") == b"answered"
        assert app.process is not None
        app.process.send_signal(signal.SIGTERM)
        app.process.send_signal(signal.SIGINT)
        assert app.process.wait(END_S) == 0
    assert received(app.data_dir, server["name"]) == {b"answered": "ok"}


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_killed_app_comes_back_as_it_was_wanted(
    app_process: RunningApp, taken: int, folder: Path
) -> None:
    app = app_process
    wanted = [
        app.api.post("servers", definition(transport, name=transport))
        for transport in ("tcp", "udp", "unix", "unix-datagram")
    ]
    app.api.post("servers", definition(name="at-rest", wanted="stopped"))
    app.api.post("servers", definition(name="stopped-by-hand"))
    app.api.post("servers/stopped-by-hand/stop")
    blocked = {"host": "127.0.0.1", "port": taken}
    app.api.post("servers", definition(name="blocked", wanted="stopped", address=blocked))
    app.api.refused(409, "POST", "servers/blocked/start")
    with clients(wanted[0], 5) as connected:
        for number, client in enumerate(connected):
            client.ask(b"mine %d" % number)
        connected[0].close()
        rows = eventually(lambda: _settled(app, 5))
        app.kill()

    app.start()
    states = {server["name"]: server["state"] for server in app.api.get("servers")["items"]}
    assert states == {
        **{server["name"]: "running" for server in wanted},
        "at-rest": "stopped",
        "stopped-by-hand": "stopped",
        "blocked": "failed",
    }
    assert f"127.0.0.1:{taken}" in app.api.get("servers/blocked")["error"]
    for name in ("tcp", "udp", "unix", "unix-datagram"):
        with Client(app.api.get(f"servers/{name}"), folder) as client:
            assert client.ask(b"back") == b"back"

    kept = {row["id"]: row for row in app.api.requests("tcp") if row["id"] in rows}
    assert {number: row["outcome"] for number, row in kept.items()} == {
        number: "lost" if outcome == "open" else outcome for number, outcome in rows.items()
    }
    texts = {app.api.get(f"requests/{number}")["received"]["text"] for number in kept}
    assert texts == {f"mine {number}" for number in range(5)}
    assert "4 requests were open when the last process ended" in app.log
    assert app.stop() == 0
    assert set(whole(app.data_dir)) == {"ok"}


def _settled(app: RunningApp, number: int) -> dict[str, str]:
    """The outcome of each row, once there are so many and all but one are open."""
    rows = {row["id"]: row["outcome"] for row in app.api.requests("tcp")}
    assert sorted(rows.values()) == ["ok", *["open"] * (number - 1)]
    assert {row["bytes_in"] for row in app.api.requests("tcp")} == {6}
    return rows


def test_servers_are_back_after_an_orderly_end_too(app_process: RunningApp) -> None:
    app = app_process
    assert app.api.get("servers")["items"] == [], "without the demo there is none"
    before = app.api.post("servers", definition(name="kept"))
    assert app.stop() == 0
    app.start()
    after = app.api.get("servers/kept")
    assert (after["state"], after["created_at"]) == ("running", before["created_at"])
    assert after["started_at"] > before["started_at"]


def test_panel_port_that_is_taken_is_one_line(launch: LaunchApp, taken: int) -> None:
    app = launch({"PORT": str(taken)})
    assert app.launch().wait(DEADLINE_S) == 6
    assert f"127.0.0.1:{taken}" in app.log
    assert "SOCKPIT_PORT" in app.log
    assert len(app.log.splitlines()) == 1
    assert not list(app.data_dir.rglob("*-wal")), "the databases are closed"


@pytest.mark.torture
def test_handler_thread_that_outlives_its_server_is_told(app_process: RunningApp) -> None:
    app = app_process
    key = offer(app, "sleeping.py", STUCK["sleeping.py"])
    server = app.api.post("servers", definition(name="sleepy", handler=key))
    with Client(server):
        equal(lambda: len(app.api.connections("sleepy")), 1)
        stopping = threading.Thread(target=app.api.call, args=("POST", "servers/sleepy/stop"))
        stopping.start()
        stopping.join(DEADLINE_S)
    assert app.api.get("servers/sleepy")["state"] == "stopped"
    assert "abandoned" in app.log
    (row,) = app.api.finished("sleepy", 1)
    assert (row["outcome"], row["closed_by"]) == ("stopped", "stop")
    assert app.stop() == 0


def test_an_unclean_end_is_told_once_by_the_first_start_that_succeeds(
    app_process: RunningApp,
) -> None:
    app = app_process
    app.kill()
    with socket.create_server(("127.0.0.1", app.port)):
        assert app.launch().wait(DEADLINE_S) == 6
    app.start()
    (gap,) = eventually(lambda: app.api.gaps("unclean"))
    assert gap["missing"] is None
    for _ in range(2):
        assert app.stop() == 0
        app.start()
        assert app.api.gaps("unclean") == [gap]


def test_an_end_that_loses_requests_is_none_that_is_clean(launch: LaunchApp) -> None:
    app = launch({"FAILPOINTS": "log.before_begin=raise:EIO@2"}).start()
    server = app.api.post("servers", definition(name="echo"))
    for number in range(2):
        with Client(server) as client:
            client.ask(b"%d" % number)
        equal(lambda: app.api.get("log/stats")["received"], number + 1)
        if number == 0:
            equal(lambda: app.api.get("log/stats")["stored"], 1)
    assert app.stop() == 0
    assert "finished requests not written" in app.log
    app.settings["FAILPOINTS"] = ""
    app.start()
    assert len(eventually(lambda: app.api.gaps("unclean"))) == 1
