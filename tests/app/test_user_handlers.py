"""The user's own handlers, from a file in the folder to an answer on the wire."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.clients import Client
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json, definition, offer
from tests.waiting import DEADLINE_S

STDLIB = """
    import socketserver

    class Shout(socketserver.StreamRequestHandler):
        '''Shouts back.'''

        def handle(self):
            for line in self.rfile:
                self.wfile.write(line.upper())

    if __name__ == "__main__":
        with socketserver.TCPServer(("127.0.0.1", 0), Shout) as server:
            server.serve_forever()
"""


def entry(api: Api, file_name: str) -> Json:
    (found,) = [e for e in api.get("handlers")["items"] if e["source"] == file_name]
    return found


def write(app: AppThread, file_name: str, source: str) -> Path:
    path = app.handlers_dir / file_name
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    return path


def test_stdlib_handler_runs_unchanged(
    app_thread: AppThread, api: Api, make_server: MakeServer
) -> None:
    key = offer(app_thread, "shouting.py", STDLIB)
    assert key == "shouting.py:Shout"
    assert (entry(api, "shouting.py")["title"], entry(api, "shouting.py")["error"]) == (
        "Shouts back.",
        None,
    )
    server = make_server(handler=key)
    with Client(server) as client:
        assert client.ask(b"hello\nyou\n") == b"HELLO\nYOU\n"
    (row,) = api.finished(server["name"], 1)
    assert (row["bytes_in"], row["bytes_out"], row["outcome"]) == (10, 10, "ok")


@pytest.mark.parametrize("transport", ["udp", "unix-datagram"])
def test_stdlib_datagram_handler_runs_unchanged(
    app_thread: AppThread, api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    key = offer(
        app_thread,
        "backwards.py",
        """
        from socketserver import BaseRequestHandler

        class Backwards(BaseRequestHandler):
            def handle(self):
                data, sock = self.request
                sock.sendto(data[::-1], self.client_address)
        """,
    )
    server = make_server(transport, handler=key)
    with Client(server, folder) as client:
        assert client.ask(b"hello") == b"olleh"
        peer = client.peer
    (row,) = api.finished(server["name"], 1)
    assert (row["peer"], row["bytes_in"], row["bytes_out"]) == (peer, 5, 5)


def test_handler_of_streams_is_not_for_datagrams(app_thread: AppThread, api: Api) -> None:
    key = offer(app_thread, "shouting_too.py", STDLIB)
    problem = api.refused(422, "POST", "servers", json=definition("udp", handler=key))
    assert (problem["code"], problem["field"]) == ("handler_transport", "handler")


def test_rescan_finds_what_is_new_and_forgets_what_is_gone(
    app_thread: AppThread, api: Api
) -> None:
    key = offer(app_thread, "coming.py", STDLIB)
    assert key in {e["key"] for e in api.get("handlers")["items"]}
    (app_thread.handlers_dir / "coming.py").unlink()
    assert key in {e["key"] for e in api.get("handlers")["items"]}, "only a rescan looks again"
    assert key not in {e["key"] for e in api.post("handlers/rescan")["items"]}
    problem = api.refused(422, "POST", "servers", json=definition(handler=key))
    assert problem["code"] == "unknown_handler"


def test_edited_handler_answers_from_the_next_start(
    app_thread: AppThread, api: Api, make_server: MakeServer
) -> None:
    key = offer(app_thread, "editing.py", STDLIB)
    server = make_server(handler=key)
    offer(app_thread, "editing.py", STDLIB.replace("line.upper()", "b'<' + line"))
    with Client(server) as client:
        assert client.ask(b"old\n") == b"OLD\n", "a running server keeps what it runs"
    restarted = api.post(f"servers/{server['name']}/restart")
    with Client(restarted) as client:
        client.send(b"new\n")
        assert client.receive(5) == b"<new\n"


@pytest.mark.parametrize(
    ("file_name", "source", "said"),
    [
        ("broken_syntax.py", "def (:\n", "SyntaxError"),
        ("broken_import.py", "import no_such_module_anywhere\n", "No module named"),
        ("broken_exit.py", "raise SystemExit(1)\n", "SystemExit"),
        ("broken_deep.py", "def f():\n    return 1 / 0\nf()\n", "ZeroDivisionError"),
    ],
)
def test_broken_file_is_listed_with_its_traceback_and_harms_nobody(
    app_thread: AppThread, api: Api, file_name: str, source: str, said: str
) -> None:
    path = write(app_thread, file_name, source)
    try:
        listed = api.post("handlers/rescan")["items"]
        broken = entry(api, file_name)
        assert said in broken["error"]
        assert file_name in broken["error"]
        assert {"echo", "clock", "discard"} <= {e["key"] for e in listed if e["error"] is None}
        problem = api.refused(422, "POST", "servers", json=definition(handler=file_name))
        assert problem["code"] == "unknown_handler"
    finally:
        path.unlink()
        api.post("handlers/rescan")


def test_server_whose_handler_has_gone_fails_with_the_cause_and_can_be_mended(
    app_thread: AppThread, api: Api, make_server: MakeServer
) -> None:
    key = offer(app_thread, "leaving.py", STDLIB)
    server = make_server(handler=key, wanted="stopped")
    path = f"servers/{server['name']}"
    (app_thread.handlers_dir / "leaving.py").unlink()
    api.post("handlers/rescan")
    problem = api.refused(422, "POST", f"{path}/start")
    assert (problem["code"], problem["field"]) == ("unknown_handler", "handler")
    failed = api.get(path)
    assert (failed["state"], key in failed["error"]) == ("failed", True)
    assert api.patch(path, {"handler": "echo", "wanted": "running"})["state"] == "running"


def test_handler_that_raises_leaves_the_server_answering(
    api: Api, make_server: MakeServer, raising: str
) -> None:
    server = make_server(handler=raising)
    for _ in range(20):
        with Client(server) as client:
            client.send(b"x")
            assert client.sees_the_end(DEADLINE_S)
    assert {row["outcome"] for row in api.finished(server["name"], 20)} == {"error"}
    assert api.get(f"servers/{server['name']}")["errors_total"] == 20


def test_options_of_a_handler_are_those_it_names(
    app_thread: AppThread, api: Api, make_server: MakeServer
) -> None:
    key = offer(
        app_thread,
        "greeting.py",
        """
        from sockcore import StreamRequestHandler

        class Greeter(StreamRequestHandler):
            '''Greets.'''

            options = {"word": "What it says.", "times": "How often."}
            word = "hello"
            times = 1

            def handle(self):
                self.wfile.write((self.word * self.times).encode())
        """,
    )
    options = entry(api, "greeting.py")["options"]
    assert [(o["name"], o["type"], o["default"]) for o in options] == [
        ("word", "str", "hello"),
        ("times", "int", 1),
    ]
    server = make_server(handler=key, handler_options={"word": "龍", "times": 2})
    with Client(server) as client:
        assert client.receive(100).decode() == "龍龍"
    wrong = definition(handler=key, handler_options={"times": "two"})
    assert api.refused(422, "POST", "servers", json=wrong)["code"] == "wrong_option_type"
