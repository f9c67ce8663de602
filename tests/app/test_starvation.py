"""Out of descriptors: the server says so, the panel goes on, and all is well again later."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import Json, RunningApp, definition
from tests.waiting import eventually

#: So few that a hundred clients are too many.
DESCRIPTORS = 96


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    return launch().start("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")


@pytest.fixture
def crowd() -> Iterator[list[Client]]:
    connected: list[Client] = []
    yield connected
    for client in connected:
        client.close()


def test_server_says_what_it_suffers_from_until_it_is_over(
    app: RunningApp, crowd: list[Client]
) -> None:
    server = app.api.post("servers", definition(name="crowded"))
    for _ in range(DESCRIPTORS):
        crowd.append(Client(server))
    suffering = eventually(lambda: _suffering(app))
    assert "Too many open files" in str(suffering["error"])
    assert suffering["state"] == "running"

    refused = app.api.refused(503, "POST", "servers", json=definition())
    assert refused["code"] == "out_of_descriptors"
    assert [s["name"] for s in app.api.get("servers")["items"]] == ["crowded"]

    for client in crowd:
        client.close()
    eventually(lambda: app.api.get("servers/crowded")["error"] is None)
    with Client(server) as client:
        assert client.ask(b"room again") == b"room again"
    assert app.api.pages.get("/servers").status_code == 200
    assert app.stop() == 0

    port = server["server_address"][1]
    told = [line for line in app.log.splitlines() if f"'127.0.0.1', {port})" in line]
    assert len([line for line in told if "Too many open files" in line]) == 1
    (again,) = re.findall(r"accepting again after (\d+) failures", "\n".join(told))
    assert int(again) < 100, "it tried without a pause"


def _suffering(app: RunningApp) -> Json:
    server = app.api.get("servers/crowded")
    assert server["error"] is not None
    return server
