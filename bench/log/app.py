"""The app itself, as `make run` starts it, over a data directory and on the server's core."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import sys
import urllib.parse
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

from app.domain import RetentionRules
from app.store.database import FILE_NAME, Database
from app.store.retention import RetentionTable
from app.who import SOCKPIT, Act
from bench.machine import cores
from bench.process import ServerProcess

ECHO = {
    "name": "echo",
    "transport": "tcp",
    "concurrency": "pool",
    "handler": "echo",
    "address": {"host": "127.0.0.1", "port": 0},
    "limits": {"backlog": 512},
    "wanted": "running",
}


#: What the app is given, and asked with.
_TOKEN = secrets.token_urlsafe(32)


class App(ServerProcess):
    """Keeps whatever is in its log. `port` is the panel's."""

    def __init__(self, data_dir: Path) -> None:
        act = Act(by=SOCKPIT, what="log.retention", target="log")
        with closing(Database(data_dir / FILE_NAME)) as database:
            RetentionTable(database).put(RetentionRules(max_age_days=0, max_bytes=0), act)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._panel = probe.getsockname()[1]
        settings = {"PORT": self._panel, "DATA_DIR": data_dir, "DEMO": 0, "HOST": "127.0.0.1"}
        settings |= {"HANDLERS_DIR": data_dir / "handlers", "API_TOKEN": _TOKEN}
        settings |= {"ADMIN_PASSWORD": _TOKEN}
        environment = {f"SOCKPIT_{name}": str(value) for name, value in settings.items()}
        self._log = data_dir / "log.txt"
        command = [sys.executable, "-m", "app"]
        with self._log.open("wb") as log:
            super().__init__(command, cores()[0], environment=environment, stderr=log)
        self.url = f"http://127.0.0.1:{self._panel}"

    def _ready(self) -> int:
        line = self._line()
        if not line.startswith("Sockpit is at"):
            raise RuntimeError(f"it did not start: {self._log.read_text(encoding='utf-8')}")
        return int(self._panel)

    def ask(self, path: str, timeout_s: float = 60) -> http.client.HTTPResponse:
        """The answer to a GET of a path below /api/v1, to be read and closed."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {_TOKEN}"}
        )
        answer = urllib.request.urlopen(request, timeout=timeout_s)
        assert isinstance(answer, http.client.HTTPResponse)
        return answer

    def log_in(self) -> tuple[str, str]:
        """Name and value of the cookie that a browser is logged in by."""
        with closing(http.client.HTTPConnection("127.0.0.1", self._panel, timeout=30)) as panel:
            body = urllib.parse.urlencode({"name": "admin", "password": _TOKEN})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            panel.request("POST", "/login", body, headers)
            given = panel.getresponse().headers["Set-Cookie"]
        name, _, value = given.partition(";")[0].partition("=")
        return name, value

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of an answer; `path` is below /api/v1."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {_TOKEN}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def echo(self) -> int:
        """Define and start a server. Returns: its port."""
        return int(self.call("POST", "servers", ECHO)["server_address"][1])
