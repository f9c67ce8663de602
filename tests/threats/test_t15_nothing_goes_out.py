"""T15: Sockpit connects to nobody, so nobody can have it connect to where they may not.

Whoever adds the first connection that goes out adds the rule with it (docs/operations.md), and an
entry here.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import Client, ask
from tests.conftest import LaunchApp
from tests.running import ROOT, AppThread, definition
from tests.threats import routes
from tests.waiting import eventually

#: What connects, by the name that is called.
CALLS = {
    *("connect", "connect_ex", "create_connection", "open_connection", "sock_connect"),
    *(
        "open_unix_connection",
        "create_datagram_endpoint",
        "urlopen",
        "urlretrieve",
        "build_opener",
    ),
    *("HTTPConnection", "HTTPSConnection", "SMTP", "FTP"),
}

#: The command that asks the panel itself whether it works, and nobody else.
ALLOWED = {("app/cli/healthcheck.py", "build_opener")}

#: Written before the app begins, into every Python process of it: what it asks the system for.
HOOK = """
import os, sys

def heard(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        what = args[1] if event == "socket.connect" else args[0]
        line = f"{event} {what!r}\\n".encode()
        fd = os.open(PLACE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(fd, line)
        os.close(fd)

sys.addaudithook(heard)
"""


def calls(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name that is called, of what) of all calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute):
                yield function.attr, ast.unparse(function.value)
            elif isinstance(function, ast.Name):
                yield function.id, ""


def test_t15_no_code_of_ours_connects() -> None:
    found = {
        (str(path.relative_to(ROOT)), name)
        for package in ("app", "sockcore", "migrations", "handlers")
        for path in (ROOT / package).rglob("*.py")
        for name, of in calls(ast.parse(path.read_text(encoding="utf-8")))
        if name in CALLS and of not in ("sqlite3", "engine", "self._engine")
    }
    assert found == ALLOWED


def test_t15_nothing_goes_out_while_all_of_it_is_used(
    launch: LaunchApp, app_thread: AppThread, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = folder / "heard"
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK.replace("PLACE", repr(str(heard))))
    monkeypatch.setenv("PYTHONPATH", str(folder / "hook"))
    app = launch({"DEMO": "1"}).start()
    api = app.api

    for transport in ("tcp", "udp", "unix", "unix-datagram"):
        for isolation in ("thread", "process"):
            server = api.post("servers", definition(transport, isolation=isolation))
            with Client(server, folder) as client:
                assert client.ask(b"hello\n") == b"hello\n"
    named = api.post("servers", definition(name="here", address={"host": "localhost", "port": 0}))
    ask(named, b"hello\n")
    api.finished("here", 1)
    row = api.requests("here")[0]["id"]
    for method, path in _asked(app_thread):
        if method == "GET":
            path = path.replace("nobody-7", "here").replace("20200101-1", row)
            with api.client.stream("GET", path) as answer:
                assert answer.status_code < 500, path
    for path in ("servers/here/restart", "servers/here/stop", "handlers/rescan"):
        api.post(path)
    body = {"name": "own", "hosts": ["localhost", "192.0.2.7", "sockpit.example"]}
    api.post("certificates/self-signed", body)
    backup = app.command("backup", folder / "backup")
    assert backup.returncode == 0, backup.stderr
    app.stop()

    lines = heard.read_text().splitlines()
    # The hook hears: a name was looked up. And nothing else went anywhere.
    assert any(line.startswith("socket.getaddrinfo") for line in lines)
    assert [line for line in lines if line.startswith("socket.connect")] == []
    names = {line.split(" ", 1)[1] for line in lines if line.startswith("socket.get")}
    assert names <= {"'localhost'", "'127.0.0.1'", "'::1'"}, names


def _asked(app: AppThread) -> list[tuple[str, str]]:
    return [(route.method, route.path) for route in routes.table(routes.built(app.sockpit))]


def test_t15_the_hook_hears_of_what_goes_out(
    launch: LaunchApp, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the test above could not fail."""
    heard = folder / "heard"
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(HOOK.replace("PLACE", repr(str(heard))))
    monkeypatch.setenv("PYTHONPATH", str(folder / "hook"))
    app = launch()
    app.start()
    assert app.command("healthcheck").returncode == 0
    line = eventually(lambda: heard.read_text().splitlines())[-1]
    assert json.dumps(app.port) in line
    assert line.startswith("socket.connect")
