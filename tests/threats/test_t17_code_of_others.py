"""T17: code comes from the folder of handlers alone, and is not handed what is the panel's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import AppThread, definition, offer, short_folder
from tests.threats import routes

CODE = "raise SystemExit('code-that-was-uploaded')"
FILE = ("evil.py", CODE.encode(), "text/x-python")

#: What the tests' apps are asked with, and a name that a later version may have.
SECRETS = {
    "API_TOKEN": "sck_of-the-tests-and-no-other",
    "ADMIN_PASSWORD": "correct horse battery",
    "SESSION_SECRET": "not to be told",
}


@pytest.fixture(scope="module")
def app() -> Iterator[AppThread]:
    with short_folder() as folder, closing(AppThread(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def table(app: AppThread) -> list[tuple[str, str]]:
    """(method, path) of every route."""
    return [(route.method, route.path) for route in routes.table(routes.built(app.sockpit))]


def test_t17_of_handlers_there_is_only_a_list_and_a_look_at_the_folder(
    table: list[tuple[str, str]],
) -> None:
    about = {(method, path) for method, path in table if re.search("handler|code|script", path)}
    pages = {("GET", "/handlers"), ("POST", "/handlers/rescan")}
    api = {("GET", "/api/v1/handlers"), ("POST", "/api/v1/handlers/rescan")}
    assert about == pages | api


def test_t17_no_body_that_is_described_takes_code(app: AppThread) -> None:
    schemas = app.api.get("openapi.json")["components"]["schemas"]
    bodies = [name for name in schemas if name.endswith(("Body", "Definition", "Change"))]
    assert len(bodies) > 5
    fields = {field for name in bodies for field in schemas[name].get("properties", {})}
    assert fields & {"code", "source", "module", "script", "class", "path", "file"} == set()


def _bodies() -> Iterator[dict[str, Any]]:
    fields = ("code", "source", "script", "handler", "file", "upload", "pem", "name")
    yield {"files": dict.fromkeys(fields, FILE)}
    yield {"data": dict.fromkeys(fields, CODE)}
    yield {"json": {**dict.fromkeys(fields, CODE), "name": "evil.py"}}
    yield {"content": CODE.encode(), "headers": {"Content-Type": "text/x-python"}}


def test_t17_what_is_uploaded_anywhere_becomes_no_code(
    app: AppThread, table: list[tuple[str, str]]
) -> None:
    changing = [(method, path) for method, path in table if method not in ("GET", "HEAD")]
    assert {("POST", "/api/v1/servers"), ("POST", "/certificates"), ("POST", "/new")} <= {
        *changing
    }
    for method, path in changing:
        for body in _bodies():
            app.api.client.request(method, path, follow_redirects=False, **body)
        assert _files(app.handlers_dir) == [], (method, path)
        assert [file for file in _files(app.data_dir) if file.suffix == ".py"] == []
    assert "evil" not in json.dumps(app.api.get("handlers"))


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["handlers", "handlers/evil.py", "handlers/echo", "handlers/"])
def test_t17_there_is_no_way_to_write_a_handler(app: AppThread, method: str, path: str) -> None:
    for base in ("/api/v1/", "/"):
        answer = app.api.client.request(method, f"{base}{path}", files={"file": FILE})
        assert answer.status_code in (303, 307, 404, 405, 415), answer.text
    assert _files(app.handlers_dir) == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


TELLER = """
    import json, os
    from socketserver import BaseRequestHandler

    def kept(pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return file.read().decode("utf-8", "replace")
        except OSError as error:
            return repr(error)

    class Teller(BaseRequestHandler):
        def handle(self):
            told = {"environ": dict(os.environ), "pid": os.getpid(), "kept": kept("self")}
            self.request.sendall(json.dumps(told).encode())
    """


@pytest.mark.parametrize(
    ("concurrency", "isolation"),
    [("pool", "thread"), ("pool", "process"), ("single", "process"), ("forking", "process")],
)
def test_t17_what_is_for_the_panel_is_not_in_the_environment_of_handlers(
    launch: LaunchApp, concurrency: str, isolation: str
) -> None:
    app = launch({**SECRETS, "FAILPOINTS": ""}).start()
    key = offer(app, "teller.py", TELLER)
    server = app.api.post(
        "servers", definition(handler=key, concurrency=concurrency, isolation=isolation)
    )
    with Client(server) as client:
        told = json.loads(b"".join(iter(lambda: client.sock.recv(65_536), b"")))
    assert (told["pid"] == app.pid) == (isolation == "thread")
    environment = told["environ"]
    assert environment["PATH"] == os.environ["PATH"]
    assert environment["SOCKPIT_DATA_DIR"] == str(app.data_dir)  # no secret
    for name, secret in SECRETS.items():
        assert f"SOCKPIT_{name}" not in environment
        assert secret not in json.dumps(environment)
        if isolation == "process":
            assert secret not in told["kept"]
    assert app.api.get("servers")["items"]  # and the panel still knows who may ask
