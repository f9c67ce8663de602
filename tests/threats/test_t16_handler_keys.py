"""T16: a handler is a key of the registry. What a request says is never imported or evaluated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.app.web.conftest import Panel
from tests.conftest import MakeServer
from tests.running import Api, AppThread, definition

#: Modules that nothing here has imported, so that importing one would be seen.
UNUSED = ("antigravity", "idlelib.idle", "turtledemo.clock", "xmlrpc.server")

KEYS = (
    *("os.system", "subprocess.Popen", "os:system", "subprocess:Popen", "builtins.eval"),
    *(f"{module}.main" for module in UNUSED),
    *(f"{module}:main" for module in UNUSED),
    *("handlers.echo.__globals__", "app.handlers.echo:Echo", "app.handlers.echo.Echo", "Echo"),
    *("..evil", "../x", "../x.py:X", "/etc/passwd", "./echo", "echo/../echo", "echo.py:Echo"),
    *("echo\0", "\0", "", " ", "echo ", "ECHO", "__import__('os')", "{{7*7}}", "x" * 100_000),
    *("sockpit_handlers.x:X", "%s%n", "\ud800"),
)


@pytest.fixture(autouse=True)
def evil(app_thread: AppThread) -> Iterator[None]:
    """A file beside the folder of handlers that says so when it is imported."""
    marker = app_thread.handlers_dir.parent / "imported"
    for name in ("evil.py", "x.py"):
        path = app_thread.handlers_dir.parent / name
        path.write_text(f"open({str(marker)!r}, 'w').close()\n")
    yield
    assert not marker.exists()


@pytest.mark.parametrize("key", KEYS, ids=lambda key: ascii(key)[:40])
def test_t16_what_is_no_key_is_refused_and_nothing_imported(
    api: Api, make_server: MakeServer, key: str
) -> None:
    server = make_server(wanted="stopped")
    path = f"servers/{server['name']}"
    before, modules = api.get("servers"), set(sys.modules)
    for isolation in ("thread", "process"):
        body = definition(handler=key, isolation=isolation)
        problem = api.refused(422, "POST", "servers", **raw(body))
        assert problem["field"] == "handler"
        assert len(problem["detail"]) < 1000
    problem = api.refused(422, "PATCH", path, **raw({"handler": key}))
    assert problem["field"] == "handler"
    assert set(sys.modules) == modules
    assert api.get("servers") == before


def raw(body: object) -> dict[str, Any]:
    """A JSON request, also with what the client's own encoder would not write."""
    return {"content": json.dumps(body).encode(), "headers": {"Content-Type": "application/json"}}


@pytest.mark.parametrize("key", [5, None, True, ["os.system"], {"_target_": "os.system"}])
def test_t16_a_key_is_a_text(api: Api, key: object) -> None:
    modules = set(sys.modules)
    problem = api.refused(422, "POST", "servers", json=definition(handler=key))
    assert problem["field"] == "handler"
    assert set(sys.modules) == modules


@pytest.mark.parametrize("key", [key for key in KEYS if "\ud800" not in key])
def test_t16_the_form_takes_no_other(panel: Panel, key: str) -> None:
    fields = {"transport": "tcp", "concurrency": "pool", "host": "127.0.0.1", "port": "0"}
    panel.define("there", running=False)
    panel.html("/new")  # what the first page of all imports is not what this is about
    panel.post("/new", name="first", handler="nobody", **fields)
    modules = set(sys.modules)
    answer = panel.post("/new", name="other", handler=key, **fields)
    assert answer.status_code == 422
    assert 'id="error-handler"' in answer.text
    answer = panel.post("/servers/there/edit", handler=key, **fields)
    assert answer.status_code == 422
    assert 'id="error-handler"' in answer.text
    assert panel.server("there")["handler"] == "echo"
    assert set(sys.modules) == modules


def test_t16_an_option_is_a_value_and_no_attribute(api: Api) -> None:
    for name in ("__class__", "handle", "framing", "__init__", "upper.__class__"):
        body = definition(handler="echo", handler_options={name: "os.system"})
        assert api.refused(422, "POST", "servers", json=body)["code"] == "unknown_option"


@pytest.mark.parametrize("key", ["os.system", "../x.py:X", "sockpit_handlers.x:X"])
def test_t16_nor_does_a_process_of_its_own(tmp_path: Path, key: str) -> None:
    """It is told a key too, and looks it up by itself."""
    program = f"""
import sys
from app.errors import Invalid
from app.handlers.registry import find_handler
modules = set(sys.modules)
try:
    find_handler({str(tmp_path)!r}, {key!r}, "tcp", {{}})
except Invalid as refused:
    assert refused.code == "unknown_handler"
else:
    raise SystemExit("it was found")
assert set(sys.modules) == modules, set(sys.modules) - modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
