"""The app, really running: in a process of its own, or in a thread of the tests.

Both listen on a free port of 127.0.0.1 over a data directory of their own, and are asked over
HTTP. Knows how to start, ask and end them; claims nothing.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from app.cli.serve import Server
from app.main import Sockpit
from app.panel_door import PanelLimits
from app.settings import Settings
from tests import descriptors
from tests.waiting import DEADLINE_S, eventually

ROOT = Path(__file__).resolve().parent.parent

Json = Any

#: Seconds until a process answers. Its imports alone take many where all else runs too.
START_S = 3 * DEADLINE_S

SESSION_COOKIE = "sockpit-session"

_numbers = count(1)


#: What the apps of tests are given to be asked with: by programs, and by browsers.
TOKEN = "sck_of-the-tests-and-no-other"
PASSWORD = "correct horse battery"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


class Api:
    """The REST API of a running app, for an admin. `client` is for what this has no word for."""

    def __init__(
        self, url: str, token: str | None = TOKEN, trusting: ssl.SSLContext | None = None
    ) -> None:
        """`token`: None to be nobody. `trusting`: the certificate of an app that speaks TLS."""
        self.url = url
        verify = trusting or True
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.client = httpx2.Client(
            base_url=url, trust_env=False, timeout=DEADLINE_S, headers=headers, verify=verify
        )

    @cached_property
    def pages(self) -> httpx2.Client:
        """As a browser has it: by the cookie of a session, of an admin."""
        cookies = {SESSION_COOKIE: self.log_in()}
        return httpx2.Client(
            base_url=self.url, trust_env=False, timeout=DEADLINE_S, cookies=cookies
        )

    def log_in(self, name: str = "admin", password: str = PASSWORD) -> str:
        """The secret of a new session: what a browser has in its cookie."""
        return log_in(self.url, name, password)

    def call(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """`path` is below /api/v1. Any status is an answer."""
        return self.client.request(method, f"/api/v1/{path}", **request)

    def done(self, method: str, path: str, **request: Any) -> Json:
        """The JSON of the answer, None for an empty one; AssertionError for a refusal."""
        response = self.call(method, path, **request)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text}"
        return response.json() if response.content else None

    def get(self, path: str, **params: object) -> Json:
        return self.done("GET", path, params=params)

    def post(self, path: str, body: object = None) -> Json:
        return self.done("POST", path, **({} if body is None else {"json": body}))

    def patch(self, path: str, body: object) -> Json:
        return self.done("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        self.done("DELETE", path)

    def refused(self, status: int, method: str, path: str, **request: Any) -> Json:
        """The problem document of a refusal that must have `status`."""
        response = self.call(method, path, **request)
        assert response.status_code == status, f"{response.status_code} {response.text}"
        assert response.headers["content-type"] == "application/problem+json"
        return response.json()

    def connections(self, name: str) -> list[Json]:
        items: list[Json] = self.get(f"servers/{name}/connections")["items"]
        return items

    def requests(self, name: str | None = None, limit: int = 500) -> list[Json]:
        """The newest rows of one server or of all, newest first."""
        params = {} if name is None else {"server": name}
        items: list[Json] = self.get("requests", limit=limit, **params)["items"]
        return items

    def gaps(self, reason: str) -> list[Json]:
        """What is missing on the newest page of the log, for that reason. Newest first.

        Others may be there: a machine that has too much to do lets a process stand still.
        """
        page = self.get("requests", limit=500)
        return [gap for gap in page["gaps"] if gap["reason"] == reason]

    def finished(self, name: str, count: int) -> list[Json]:
        """Wait for exactly `count` rows of a server, all of them over. Newest first."""

        def condition() -> list[Json]:
            rows = self.requests(name)
            outcomes = [row["outcome"] for row in rows]
            assert len(rows) == count, outcomes
            assert "open" not in outcomes, outcomes
            return rows

        return eventually(condition)

    def close(self) -> None:
        self.client.close()
        if "pages" in vars(self):
            self.pages.close()


def log_in(url: str, name: str = "admin", password: str = PASSWORD) -> str:
    """The secret of a new session: what a browser has in its cookie."""
    fields = {"name": name, "password": password}
    answer = httpx2.post(f"{url}/login", data=fields, trust_env=False, timeout=DEADLINE_S)
    assert answer.status_code == 303, answer.text
    return answer.cookies[SESSION_COOKIE]


class RunningApp:
    """`python -m app` in a process of its own. What it prints is in `log`.

    `settings` are those of the environment without their prefix, in upper case. The folder is
    short, since the sockets of Unix servers lie in it and their paths may have 107 bytes.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data_dir = folder / "data"
        self.handlers_dir = folder / "handlers"
        self.handlers_dir.mkdir(exist_ok=True)
        self.log_file = folder / "log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = {
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data_dir),
            "HANDLERS_DIR": str(self.handlers_dir),
            "DEMO": "0",
            "API_TOKEN": TOKEN,
            "ADMIN_PASSWORD": PASSWORD,
            **(settings or {}),
        }
        self.program: tuple[str, ...] = ("app",)  # what `python -m` runs, with its arguments
        self.api = Api(self.url)
        self.process: subprocess.Popen[bytes] | None = None

    def environment(self) -> dict[str, str]:
        """Ours without settings of ours, and with those of this app."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SOCKPIT_")}
        return {**inherited, **{f"SOCKPIT_{k}": v for k, v in self.settings.items()}}

    def command(
        self, *arguments: object, timeout_s: float = DEADLINE_S, typed: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """What a command of the app, with these settings, came to."""
        return subprocess.run(
            [sys.executable, "-m", "app", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            input=typed,
            timeout=timeout_s,
            check=False,
        )

    def launch(self, *prefix: str) -> subprocess.Popen[bytes]:
        """Start the process, as an argument of the command `prefix`; do not wait for it."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", *self.program],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start(self, *prefix: str) -> RunningApp:
        """Start it and wait until it answers."""
        process = self.launch(*prefix)

        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}: {self.log}")
            try:
                return self.api.call("GET", "health").is_success
            except httpx2.TransportError as error:
                raise AssertionError(str(error)) from error

        eventually(answers, START_S)
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self, told: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end. Returns: its exit code, negative when a signal ended it."""
        assert self.process is not None
        self.process.send_signal(told)
        return self.process.wait(DEADLINE_S)

    def kill(self) -> None:
        """SIGKILL: no time for anything."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE_S)

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def descriptors(self) -> int:
        """How many it has open, but for databases: SQLite keeps what a reader closed, for the
        next reader, as long as the writer has the file locked; as many as ever read at once."""
        return descriptors.count(self.pid)

    def close(self) -> None:
        """End it for certain, whatever state it is in."""
        self.api.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()


class AppThread:
    """The same app over a real uvicorn in a thread: quick, and its parts can be reached."""

    def __init__(
        self,
        folder: Path,
        *,
        limits: PanelLimits | None = None,
        context: ssl.SSLContext | None = None,
        **settings: Any,
    ) -> None:
        """`limits` and `context`: as `Server` takes them."""
        self.data_dir = folder / "data"
        self.handlers_dir = folder / "handlers"
        self.handlers_dir.mkdir()
        panel = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = panel.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = Settings(
            host="127.0.0.1",
            port=self.port,
            data_dir=self.data_dir,
            handlers_dir=self.handlers_dir,
            **{
                "demo": False,
                "api_token": TOKEN,
                "admin_password": PASSWORD,
                **settings,
            },
        )
        self.sockpit = Sockpit(self.settings)
        self._server = Server(self.sockpit, limits, context)
        self._thread = threading.Thread(
            target=self._server.run, args=([panel],), name="panel", daemon=True
        )
        self._thread.start()
        eventually(lambda: self._server.started)
        self.api = Api(self.url)

    def answering(self) -> int:
        """How many HTTP requests are being answered."""
        return len(self._server.server_state.tasks)

    def close(self) -> None:
        self.api.close()
        self._server.should_exit = True
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the app did not end"


def definition(transport: str = "tcp", /, **body: object) -> dict[str, object]:
    """A create body: what `body` leaves out is an echo that runs in a pool, at any address."""
    number = next(_numbers)
    unix = transport.startswith("unix")
    address = {"name": f"s{number}.sock"} if unix else {"host": "127.0.0.1", "port": 0}
    return {
        "name": f"test-{number}",
        "transport": transport,
        "handler": "echo",
        "address": address,
        "wanted": "running",
        **body,
    }


def offer(app: AppThread | RunningApp, file_name: str, source: str) -> str:
    """Write a file of one handler class for `app` and have it found. Returns: its key."""
    (app.handlers_dir / file_name).write_text(textwrap.dedent(source), encoding="utf-8")
    entries = app.api.post("handlers/rescan")["items"]
    (found,) = (entry for entry in entries if entry["source"] == file_name)
    assert found["error"] is None, found["error"]
    return str(found["key"])


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody listens on just now.

    None of those that the system gives to clients: one of them might get it meanwhile.
    """
    for _ in range(100):
        with socket.socket(socket.AF_INET, kind) as probe, suppress(OSError):
            port = random.randrange(10_240, 32_000)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port found")


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the sockets in it, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="sp-") as folder:
        yield Path(folder)
