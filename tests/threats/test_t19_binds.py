"""T19: a server listens where the operator allows it: by host, by port, and never as the panel."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from tests.clients import refuses
from tests.conftest import LaunchApp, MakeServer
from tests.running import Api, AppThread, Json, definition, free_port
from tests.waiting import equal

#: The same address, as those who want to get past a check write it.
LOOPBACK = ("127.0.0.1", "localhost", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "127.0.0.1 ")

ELSEWHERE = ("0.0.0.0", "::", "0", "0x0", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "127.0.0.2")


def refused(api: Api, status: int, host: str, port: int, transport: str = "tcp") -> dict[str, Any]:
    body = definition(transport, address={"host": host, "port": port})
    problem: dict[str, Any] = api.refused(status, "POST", "servers", json=body)
    return problem


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("port", [1, 80, 1023])
def test_t19_low_ports_are_refused(api: Api, port: int, transport: str) -> None:
    problem = refused(api, 422, "127.0.0.1", port, transport)
    assert (problem["code"], problem["field"]) == ("privileged_port", "address.port")


@pytest.mark.parametrize("host", LOOPBACK)
def test_t19_the_port_of_the_panel_is_its_own(api: Api, app_thread: AppThread, host: str) -> None:
    problem = refused(api, 422 if host.endswith(" ") else 409, host, app_thread.port)
    if not host.endswith(" "):
        assert (problem["code"], problem["field"]) == ("panel_port", "address.port")


@pytest.mark.parametrize("host", ELSEWHERE)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_t19_hosts_that_are_not_listed_are_forbidden(api: Api, host: str, transport: str) -> None:
    problem = refused(api, 403, host, 0, transport)
    assert (problem["code"], problem["field"]) == ("host_not_allowed", "address.host")
    assert "SOCKPIT_LISTEN_HOSTS" in problem["detail"]


def test_t19_with_every_host_listed_the_panel_keeps_its_port(launch: LaunchApp) -> None:
    app = launch({"LISTEN_HOSTS": "0.0.0.0,::,::ffff:127.0.0.1"}).start()
    for host in (*LOOPBACK[:-1], *ELSEWHERE[:-1]):
        problem = refused(app.api, 409, host, app.port)
        assert (problem["code"], problem["field"]) == ("panel_port", "address.port"), host
    # Another protocol's port is another port.
    server = app.api.post(
        "servers", definition("udp", address={"host": "127.0.0.1", "port": app.port})
    )
    assert server["state"] == "running"


def test_t19_an_edit_is_held_to_it(
    api: Api, app_thread: AppThread, make_server: MakeServer
) -> None:
    path = f"servers/{make_server(wanted='stopped')['name']}"
    for address, status, code in (
        ({"port": 80}, 422, "privileged_port"),
        ({"host": "0.0.0.0"}, 403, "host_not_allowed"),
        ({"port": app_thread.port}, 409, "panel_port"),
        ({"host": "2130706433", "port": app_thread.port}, 409, "panel_port"),
    ):
        before = api.get(path)
        assert api.refused(status, "PATCH", path, json={"address": address})["code"] == code
        assert api.get(path) == before


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_t19_what_was_allowed_once_does_not_start_when_it_is_no_more(
    launch: LaunchApp, isolation: str
) -> None:
    port = free_port()
    app = launch({"LISTEN_HOSTS": "0.0.0.0,127.0.0.1"}).start()
    wide = app.api.post(
        "servers", definition(isolation=isolation, address={"host": "0.0.0.0", "port": 0})
    )
    high = app.api.post(
        "servers", definition(isolation=isolation, address={"host": "127.0.0.1", "port": port})
    )
    app.stop()

    data = {"DATA_DIR": str(app.data_dir)}
    narrow = launch({**data, "LISTEN_PORTS": f"{port + 1}-65535"}).start()
    for server, code, word in (
        (wide, "host_not_allowed", "SOCKPIT_LISTEN_HOSTS"),
        (high, "port_not_allowed", "SOCKPIT_LISTEN_PORTS"),
    ):
        path = f"servers/{server['name']}"
        now = failed(narrow.api, path)
        assert word in now["error"]
        assert refuses(server)
        status = 403 if code == "host_not_allowed" else 422
        assert narrow.api.refused(status, "POST", f"{path}/start")["code"] == code
        assert narrow.api.refused(status, "POST", f"{path}/restart")["code"] == code
        assert refuses(server)


def failed(api: Api, path: str) -> Json:
    """The server, once it has failed."""
    equal(lambda: api.get(path)["state"], "failed")
    return api.get(path)


def test_t19_nor_when_it_comes_out_of_a_backup(launch: LaunchApp) -> None:
    app = launch({"LISTEN_HOSTS": "0.0.0.0"}).start()
    server = app.api.post("servers", definition(address={"host": "0.0.0.0", "port": 0}))
    backup = app.folder / "backup"
    assert app.command("backup", backup).returncode == 0
    app.stop()

    other = launch()
    assert other.command("restore", backup).returncode == 0
    other.start()
    now = failed(other.api, f"servers/{server['name']}")
    assert "SOCKPIT_LISTEN_HOSTS" in now["error"]
    assert refuses(server)


def test_t19_a_port_that_we_pick_is_not_the_panel_s(launch: LaunchApp) -> None:
    app = launch()
    app.settings["LISTEN_PORTS"] = f"{app.port}-{app.port + 1}"
    app.start()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", app.port + 1))
        except OSError:
            pytest.skip("somebody has the port beside it")
    server = app.api.post("servers", definition())
    assert server["server_address"] == ["127.0.0.1", app.port + 1]
