"""A server in a process of its own: what goes wrong there is told as if it were here."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.clients import TRANSPORTS, Client, refuses
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json, definition, free_port, offer
from tests.waiting import equal, eventually
from tests.watching import watching


def test_a_host_that_dies_is_failed_with_the_cause_and_comes_back(
    api: Api, app_thread: AppThread, make_server: MakeServer
) -> None:
    server = make_server(isolation="process")
    name = server["name"]
    with watching(app_thread.url, server=name) as watch, Client(server) as client:
        client.ask(b"hello")
        eventually(lambda: api.requests(name))
        os.kill(server["pid"], signal.SIGKILL)
        told = eventually(lambda: [s for s in watch.data("server") if s["state"] == "failed"])[0]
        assert "SIGKILL" in told["error"]
        assert "started again" in told["error"]
        assert (told["wanted"], told["pid"], told["fileno"]) == ("running", None, None)
        equal(lambda: api.get(f"servers/{name}")["state"], "running")
        others = (None, server["pid"])
        eventually(lambda: [s for s in watch.data("server") if s["pid"] not in others])
    row = next(row for row in api.requests(name) if row["preview"] == "hello")
    assert row["outcome"] == "error"
    assert "SIGKILL" in row["error"]
    again = api.get(f"servers/{name}")
    assert again["error"] is None
    with Client(again) as client:
        assert client.ask(b"I am back") == b"I am back"


def test_retry_does_not_wait_for_the_restart(api: Api, make_server: MakeServer) -> None:
    server = make_server(isolation="process")
    path = f"servers/{server['name']}"
    os.kill(server["pid"], signal.SIGKILL)
    equal(lambda: api.get(path)["state"], "failed")
    again = api.post(f"{path}/start")
    assert (again["state"], again["error"]) == ("running", None)
    assert again["pid"] not in (None, server["pid"])
    with Client(again) as client:
        assert client.ask(b"hello") == b"hello"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_transport_comes_back_where_it_was(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    body: dict[str, object] = {"isolation": "process"}
    if transport in ("tcp", "udp"):
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        body["address"] = {"host": "127.0.0.1", "port": free_port(kind)}
    server = make_server(transport, **body)
    path = f"servers/{server['name']}"
    os.kill(server["pid"], signal.SIGKILL)
    again = eventually(lambda: _with_another_pid(api, path, server["pid"]))
    assert again["server_address"] == server["server_address"]
    with Client(again, folder) as client:
        assert client.ask(b"hello") == b"hello"


def _with_another_pid(api: Api, path: str, pid: int) -> Json:
    now = api.get(path)
    assert now["pid"] not in (None, pid), now
    return now


def test_what_was_changed_while_it_was_down_does_not_come_back_as_it_was(
    api: Api, make_server: MakeServer
) -> None:
    server = make_server(isolation="process")
    path = f"servers/{server['name']}"
    os.kill(server["pid"], signal.SIGKILL)
    equal(lambda: api.get(path)["state"], "failed")
    failed = api.patch(path, {"handler_options": {"upper": True}})
    assert (failed["state"], failed["wanted"]) == ("failed", "running")
    assert "changed since" in failed["error"]
    assert refuses(server)
    again = api.post(f"{path}/start")
    with Client(again) as client:
        assert client.ask(b"hello") == b"HELLO"


def test_stop_ends_the_restarts(api: Api, make_server: MakeServer) -> None:
    server = make_server(isolation="process")
    path = f"servers/{server['name']}"
    os.kill(server["pid"], signal.SIGKILL)
    equal(lambda: api.get(path)["state"], "failed")
    stopped = api.post(f"{path}/stop")
    assert (stopped["state"], stopped["error"]) == ("stopped", None)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_address_in_use_is_the_same_refusal(api: Api, transport: str) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if transport == "tcp":
            other.listen()
        port = other.getsockname()[1]
        address = {"host": "127.0.0.1", "port": port}
        answers = [
            api.refused(
                409,
                "POST",
                "servers",
                json=definition(transport, address=address, isolation=isolation),
            )
            for isolation in ("thread", "process")
        ]
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "port_in_use"


def test_the_users_own_handler_answers_with_its_options(
    app_thread: AppThread, make_server: MakeServer
) -> None:
    key = offer(
        app_thread,
        "hosted_pid.py",
        """
        import os
        from socketserver import StreamRequestHandler

        class Pid(StreamRequestHandler):
            options = {"prefix": "Comes first."}
            prefix = ""

            def handle(self):
                self.wfile.write(f"{self.prefix}{os.getpid()}".encode())
        """,
    )
    server = make_server(isolation="process", handler=key, handler_options={"prefix": "pid "})
    with Client(server) as client:
        assert client.sock.makefile("rb").read() == b"pid %d" % server["pid"]


def test_what_a_handler_raises_is_in_the_log_with_its_traceback(
    api: Api, make_server: MakeServer, raising: str
) -> None:
    server = make_server(isolation="process", handler=raising)
    with Client(server) as client:
        client.send(b"this")
        client.end()
    (row,) = api.finished(server["name"], 1)
    assert (row["outcome"], row["error"]) == ("error", "ValueError: cannot do b'this'")
    assert "raising_on_purpose.py" in api.get(f"requests/{row['id']}")["traceback"]
    equal(lambda: api.get(f"servers/{server['name']}")["errors_total"], 1)


def test_limits_reach_it_while_it_runs(api: Api, make_server: MakeServer) -> None:
    server = make_server(isolation="process", limits={"max_connections": 1})
    name = server["name"]
    with Client(server) as first:
        first.ask(b"in")
        with Client(server) as second:
            assert second.sees_the_end(10)
        api.patch(f"servers/{name}", {"limits": {"max_connections": 2}})

        def served() -> bool:
            with Client(server) as third:
                third.send(b"in too")
                return third.sock.recv(10) == b"in too"

        eventually(served)
        equal(lambda: api.get(f"servers/{name}")["refused_total"] >= 1, True)


def test_its_socket_file_goes_with_it(api: Api, make_server: MakeServer, folder: Path) -> None:
    server = make_server("unix", isolation="process")
    path = Path(server["server_address"])
    assert path.is_socket()
    with Client(server) as client:
        assert client.ask(b"hello") == b"hello"
    api.post(f"servers/{server['name']}/stop")
    assert not path.exists()


def test_a_forking_server_has_so_many_processes(
    api: Api, make_server: MakeServer, waiting: str
) -> None:
    server = make_server(concurrency="forking", handler=waiting, limits={"max_children": 1})
    path = f"servers/{server['name']}"
    with Client(server) as first, Client(server) as second:
        assert first.ask(b"mine") == b"mine"
        second.send(b"and mine")
        equal(lambda: len(api.get(f"{path}/connections")["items"]), 1)
        first.send(b"I am done")
        assert second.receive(8) == b"and mine"
        assert api.get(path)["refused_total"] == 0
