"""The command line: what it exits with and says, each in one line; and the demo."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from app.cli.healthcheck import healthcheck
from app.cli.serve import serve
from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import free_port
from tests.waiting import DEADLINE_S


def test_wrong_setting_is_one_line_that_names_it(launch: LaunchApp) -> None:
    app = launch({"PORT": "http"})
    assert app.launch().wait(DEADLINE_S) == 2
    (line,) = app.log.splitlines()
    assert line.startswith("sockpit: SOCKPIT_PORT: ")
    assert not app.data_dir.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("PORT", "70000"),
        ("PORT", "0"),
        ("LISTEN_PORTS", "20019-20000"),
        ("LISTEN_PORTS", "1024-x"),
        ("LISTEN_PORTS", "0-99999"),
        ("DEMO", "perhaps"),
    ],
)
def test_every_wrong_setting_is_named(
    key: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    folder: Path,
) -> None:
    monkeypatch.setenv("SOCKPIT_DATA_DIR", str(folder / "data"))
    monkeypatch.setenv(f"SOCKPIT_{key}", value)
    with pytest.raises(SystemExit) as ended:
        serve()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sockpit: SOCKPIT_{key}: ")
    assert not (folder / "data").exists()


def test_data_directory_that_cannot_be_used_is_one_line(launch: LaunchApp, folder: Path) -> None:
    (folder / "a-file").write_bytes(b"")
    damaged = folder / "damaged"
    damaged.mkdir()
    (damaged / "control.sqlite3").write_bytes(b"this is no database at all" * 100)
    for place in (folder / "a-file", damaged):
        app = launch({"DATA_DIR": str(place)})
        assert app.launch().wait(DEADLINE_S) == 3
        assert str(place) in app.log
        assert "Traceback" not in app.log
    assert (damaged / "control.sqlite3").read_bytes().startswith(b"this is no database")


# -- healthcheck ------------------------------------------------------------------------------


def test_healthcheck_finds_an_app_that_listens_everywhere(launch: LaunchApp) -> None:
    app = launch({"HOST": "0.0.0.0"}).start()
    told = app.command("healthcheck")
    assert (told.returncode, told.stdout, told.stderr) == (0, "ok\n", "")


def verdict(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[object, str]:
    """The exit code of a refusal, and what it says."""
    monkeypatch.setenv("SOCKPIT_HOST", "127.0.0.1")
    monkeypatch.setenv("SOCKPIT_PORT", str(port))
    with pytest.raises(SystemExit) as ended:
        healthcheck()
    return ended.value.code, capsys.readouterr().err


def test_healthcheck_of_nothing_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    code, said = verdict(port, monkeypatch, capsys)
    assert code == 1
    assert f"http://127.0.0.1:{port}" in said
    assert len(said.splitlines()) == 1


class _Ill(BaseHTTPRequestHandler):
    body = json.dumps({"code": "log_failed", "detail": "The disk is full."}).encode()

    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def ill() -> Iterator[int]:
    """The port of something that answers as an app does whose log cannot be written."""
    with HTTPServer(("127.0.0.1", 0), _Ill) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_healthcheck_of_an_ill_app_is_1_with_its_reason(
    ill: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdict(ill, monkeypatch, capsys) == (1, "sockpit: The disk is full.\n")


# -- the demo ---------------------------------------------------------------------------------


def test_new_data_directory_begins_with_a_clock_and_only_a_new_one(launch: LaunchApp) -> None:
    port = free_port()
    app = launch({"DEMO": "1", "LISTEN_PORTS": str(port)}).start()
    (clock,) = app.api.get("servers")["items"]
    assert (clock["name"], clock["state"], clock["wanted"]) == ("clock", "running", "running")
    assert clock["server_address"] == ["127.0.0.1", port]
    with Client(clock) as client:
        client.send(b"hello\r\n")
        answer = client.sock.recv(100)
    assert answer.startswith(b"[")
    assert answer.endswith(b"] hello\n")

    app.api.delete("servers/clock")
    assert app.stop() == 0
    app.start()
    assert app.api.get("servers")["items"] == []


def test_demo_whose_port_is_taken_holds_up_nothing(launch: LaunchApp, ill: int) -> None:
    app = launch({"DEMO": "1", "LISTEN_PORTS": str(ill)}).start()
    (clock,) = app.api.get("servers")["items"]
    assert (clock["state"], clock["wanted"]) == ("failed", "running")
    assert f"127.0.0.1:{ill}" in clock["error"]
