"""The real application over a directory of its own, and what the tests of its pages ask of it."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from pydantic import SecretStr
from starlette.testclient import TestClient
from starlette.types import ASGIApp

from app.main import create_app
from app.settings import Settings
from tests.running import PASSWORD

ORIGIN = "http://127.0.0.1"
#: A line that would be an element, were it not escaped; and one that would be an event.
HOSTILE_LINE = b"<img src=x onerror=alert(1)>\n\nevent: gone\n\n"

HTMX = {"HX-Request": "true"}

GREETER = '''
import socketserver


class Greeter(socketserver.StreamRequestHandler):
    """Greets each line; raises on "boom"."""

    options = {"greeting": "What to say first.", "times": "How often."}
    greeting = "hello"
    times = 1

    def handle(self):
        for line in self.rfile:
            if line.strip() == b"boom":
                raise ValueError("<b>boom</b>")
            self.wfile.write(self.greeting.encode() * self.times + b" " + line)
'''


def until(claim: Callable[[], object], seconds: float = 10.0) -> Any:
    """What `claim` says once it is true; fails when it never is."""
    deadline = time.monotonic() + seconds
    while not (found := claim()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return found


@dataclass(frozen=True)
class Panel:
    """The panel as a browser without scripts has it, and the API to arrange things with."""

    http: httpx2.Client

    def html(self, path: str, status: int = 200) -> str:
        answer = self.http.get(path)
        assert answer.status_code == status, answer.text
        return answer.text

    def post(self, path: str, **fields: str) -> httpx2.Response:
        return self.http.post(path, data=fields, follow_redirects=False)

    def hx(self, path: str, **fields: str) -> httpx2.Response:
        """The same as htmx does it."""
        return self.http.post(path, data=fields, headers=HTMX, follow_redirects=False)

    def define(self, name: str, *, running: bool = True, **more: object) -> dict[str, Any]:
        body = {
            "name": name,
            "transport": "tcp",
            "handler": "echo",
            "address": {"host": "127.0.0.1", "port": 0},
            "wanted": "running" if running else "stopped",
            **more,
        }
        answer = self.http.post("/api/v1/servers", json=body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def server(self, name: str) -> dict[str, Any]:
        return dict(self.http.get(f"/api/v1/servers/{name}").json())

    def requests(self, server: str) -> list[dict[str, Any]]:
        """Those that are over."""
        asked: dict[str, str | int] = {"server": server, "limit": 500}
        items = self.http.get("/api/v1/requests", params=asked).json()["items"]
        return [item for item in items if item["outcome"] != "open"]

    def talk(self, name: str, data: bytes) -> str:
        """Send `data` to the server, read to the end; the id of the request that was."""
        known = {item["id"] for item in self.requests(name)}
        self.say(name, data)
        fresh = until(lambda: [r["id"] for r in self.requests(name) if r["id"] not in known])
        return str(fresh[0])

    def say(self, name: str, data: bytes) -> None:
        """Send `data` to the server and read to the end."""
        with socket.create_connection(tuple(self.server(name)["server_address"])) as client:
            client.settimeout(10)
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / "handlers"
    folder.mkdir()
    (folder / "greeter.py").write_text(GREETER)
    return Settings(
        data_dir=tmp_path / "data",
        handlers_dir=folder,
        demo=False,
        admin_password=SecretStr(PASSWORD),
    )


@pytest.fixture
def panel(settings: Settings) -> Iterator[Panel]:
    with TestClient(create_app(settings), base_url=ORIGIN) as client:
        log_in(client)
        yield Panel(client)


@pytest.fixture
def served(settings: Settings) -> Iterator[Panel]:
    """The same behind a real uvicorn: a stream has no end that a test client could wait for."""
    app = create_app(settings)
    with listening(app) as origin, httpx2.Client(base_url=origin, timeout=20) as client:
        log_in(client)
        yield Panel(client)


def log_in(client: httpx2.Client) -> None:
    """As a browser does, once."""
    fields = {"name": "admin", "password": PASSWORD}
    answer = client.post("/login", data=fields, follow_redirects=False)
    assert answer.status_code == 303, answer.text


@contextmanager
def listening(app: ASGIApp) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def told(html: str, field: str) -> str:
    """What a form says beside a field that is wrong, and that the field knows of."""
    found = re.search(rf'id="error-{field}".*?<span>(.*?)</span>', html, re.S)
    assert found, f"nothing is told beside {field}"
    assert re.search(rf'aria-describedby="[^"]*error-{field}', html)
    return found[1]
