"""Servers over REST: what a definition becomes, and what a change of it does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import pytest

from app.domain import Limits
from tests.app.soon import SOON_S
from tests.clients import Client, clients, refuses
from tests.conftest import MakeServer
from tests.running import Api, definition, free_port
from tests.waiting import equal, eventually


def test_definition_reads_back_with_its_defaults(make_server: MakeServer) -> None:
    server = make_server(
        name="plain-1", wanted="stopped", handler="clock", handler_options={"utc": True}
    )
    given = {key: server[key] for key in definition()} | {
        "options": server["handler_options"],
        **{key: server[key] for key in ("concurrency", "isolation", "tls")},
    }
    assert given == {
        "name": "plain-1",
        "transport": "tcp",
        "concurrency": "pool",
        "isolation": "thread",
        "tls": None,
        "handler": "clock",
        "options": {"utc": True},
        "address": {"host": "127.0.0.1", "port": 0},
        "wanted": "stopped",
    }
    assert server["limits"] == asdict(Limits())
    assert server["limits"]["backlog"] == 512


def test_wanted_running_starts_at_once(api: Api, make_server: MakeServer) -> None:
    server = make_server(wanted="running")
    assert server["state"] == "running"
    host, port = server["server_address"]
    assert host == "127.0.0.1"
    assert port >= 1024
    assert server["address"]["port"] == 0
    assert api.get(f"servers/{server['name']}") == server


def test_one_that_cannot_start_is_not_created(api: Api, make_server: MakeServer) -> None:
    taken = make_server()["server_address"][1]
    body = definition(address={"host": "127.0.0.1", "port": taken})
    problem = api.refused(409, "POST", "servers", json=body)
    assert (problem["code"], problem["field"]) == ("port_in_use", "address.port")
    assert f"127.0.0.1:{taken}" in problem["detail"]
    api.refused(404, "GET", f"servers/{body['name']}")


def test_list_is_by_name(api: Api, make_server: MakeServer) -> None:
    for name in ("zz-last", "aa-first", "mm-middle"):
        make_server(name=name, wanted="stopped")
    names = [server["name"] for server in api.get("servers")["items"]]
    assert names == sorted(names)
    assert {"zz-last", "aa-first", "mm-middle"} <= set(names)


def test_counts_tell_what_clients_did(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    name = server["name"]
    with clients(server, 3) as connected:
        for client in connected:
            client.ask(b"12345")
        now = eventually(lambda: _with(api, name, connections=3))
        assert (now["connections_total"], now["requests_total"]) == (3, 3)
        assert (now["bytes_in"], now["bytes_out"]) == (15, 15)
    left = eventually(lambda: _with(api, name, connections=0))
    assert (left["connections_total"], left["bytes_in"], left["bytes_out"]) == (3, 15, 15)

    stopped = api.post(f"servers/{name}/stop")
    assert stopped["connections_total"] == 3, "the totals of the last run stay while stopped"
    assert api.post(f"servers/{name}/start")["connections_total"] == 0, "a run counts its own"


def _with(api: Api, name: str, **facts: object) -> dict[str, object]:
    server: dict[str, object] = api.get(f"servers/{name}")
    assert {key: server[key] for key in facts} == facts
    return server


def test_limit_of_connections_refuses_the_next_one(api: Api, make_server: MakeServer) -> None:
    server = make_server(limits={"max_connections": 2})
    with clients(server, 2) as connected:
        for client in connected:
            assert client.ask(b"in") == b"in"
        with Client(server) as third:
            assert third.sees_the_end(SOON_S)
        now = _with(api, server["name"], connections=2)
        assert (now["refused_total"], now["connections_total"]) == (1, 2)


def test_running_server_takes_new_limits(api: Api, make_server: MakeServer) -> None:
    server = make_server(limits={"max_connections": 1})
    name = server["name"]
    with Client(server) as first:
        first.ask(b"in")
        changed = api.patch(f"servers/{name}", {"limits": {"max_connections": 2}})
        assert changed["limits"]["max_connections"] == 2
        assert changed["limits"]["idle_timeout_s"] == 300.0, "what is not named stays"
        assert changed["started_at"] == server["started_at"], "it was not restarted"
        with Client(server) as second:
            assert second.ask(b"in too") == b"in too"
        api.patch(f"servers/{name}", {"limits": {"idle_timeout_s": 0.2}})
        assert first.sees_the_end(SOON_S + 0.2)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": {"port": 4000}}, "address"),
        ({"transport": "udp"}, "transport"),
        ({"concurrency": "single"}, "concurrency"),
        ({"isolation": "process"}, "isolation"),
        ({"handler": "discard"}, "handler"),
        ({"handler_options": {"upper": True}}, "handler_options"),
        ({"limits": {"backlog": 7}}, "limits.backlog"),
        ({"limits": {"max_threads": 7}}, "limits.max_threads"),
        ({"limits": {"max_queue": 7}}, "limits.max_queue"),
        ({"limits": {"max_children": 7}}, "limits.max_children"),
    ],
)
def test_running_server_keeps_what_its_clients_rely_on(
    api: Api, make_server: MakeServer, change: dict[str, object], field: str
) -> None:
    server = make_server()
    path = f"servers/{server['name']}"
    problem = api.refused(409, "PATCH", path, json=change)
    assert (problem["code"], problem["field"]) == ("server_running", field)
    assert "Stop it" in problem["detail"]
    assert api.get(path) == server

    api.post(f"{path}/stop")
    api.patch(path, change)
    restarted = api.post(f"{path}/start")
    assert restarted["state"] == "running"


def test_change_of_address_moves_a_stopped_server(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    path = f"servers/{server['name']}"
    api.post(f"{path}/stop")
    port = free_port()
    changed = api.patch(path, {"address": {"port": port}, "wanted": "running"})
    assert changed["server_address"] == ["127.0.0.1", port]
    assert refuses(server)
    with Client(changed) as client:
        assert client.ask(b"moved") == b"moved"


def test_wanted_can_be_patched(api: Api, make_server: MakeServer) -> None:
    path = f"servers/{make_server()['name']}"
    assert api.patch(path, {"wanted": "stopped"})["state"] == "stopped"
    assert api.patch(path, {"wanted": "running"})["state"] == "running"


def test_options_reach_the_handler(make_server: MakeServer) -> None:
    with Client(make_server(handler_options={"upper": True})) as client:
        assert client.ask(b"loud") == b"LOUD"


def test_failed_server_tries_again(api: Api, make_server: MakeServer) -> None:
    holder = make_server()
    port = holder["server_address"][1]
    address = {"host": "127.0.0.1", "port": port}
    path = f"servers/{make_server(wanted='stopped', address=address)['name']}"
    for _ in range(2):
        assert api.refused(409, "POST", f"{path}/start")["code"] == "port_in_use"
        failed = api.get(path)
        assert (failed["state"], failed["wanted"]) == ("failed", "running")
        assert f"127.0.0.1:{port}" in failed["error"]
        assert failed["fileno"] is failed["server_address"] is failed["started_at"] is None

    api.post(f"servers/{holder['name']}/stop")
    started = api.post(f"{path}/start")
    assert (started["state"], started["error"]) == ("running", None)
    assert started["server_address"] == ["127.0.0.1", port]


def test_failed_server_can_be_stopped_and_deleted(api: Api, make_server: MakeServer) -> None:
    taken = make_server()["server_address"][1]
    address = {"host": "127.0.0.1", "port": taken}
    path = f"servers/{make_server(wanted='stopped', address=address)['name']}"
    api.refused(409, "POST", f"{path}/start")
    stopped = api.post(f"{path}/stop")
    assert (stopped["state"], stopped["wanted"], stopped["error"]) == ("stopped", "stopped", None)
    api.refused(409, "POST", f"{path}/start")
    api.delete(path)
    api.refused(404, "GET", path)


def test_deletion_ends_its_connections(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"still here")
        api.delete(f"servers/{server['name']}")
        assert client.sees_the_end(SOON_S)
    (row,) = api.finished(server["name"], 1)
    assert (row["outcome"], row["closed_by"]) == ("stopped", "stop")


def test_name_of_a_deleted_server_can_be_used_again(api: Api, make_server: MakeServer) -> None:
    first = make_server(name="reused")
    api.delete("servers/reused")
    second = make_server(name="reused", handler="discard")
    assert second["created_at"] > first["created_at"]
    assert api.get("servers/reused")["handler"] == "discard"


def test_tcp_and_udp_may_share_a_port_number(make_server: MakeServer) -> None:
    port = make_server("tcp")["server_address"][1]
    server = make_server("udp", address={"host": "127.0.0.1", "port": port})
    with Client(server) as client:
        assert client.ask(b"both") == b"both"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_ipv6_is_an_address_too(make_server: MakeServer, transport: str) -> None:
    server = make_server(transport, address={"host": "::1", "port": 0})
    assert server["server_address"][0] == "::1"
    with Client(server) as client:
        assert client.ask(b"six") == b"six"


def test_kinds_and_handlers_can_be_asked_for(api: Api) -> None:
    kinds = {(kind["transport"], kind["concurrency"]) for kind in api.get("kinds")["items"]}
    assert kinds == {
        (transport, concurrency)
        for transport in ("tcp", "udp", "unix", "unix-datagram")
        for concurrency in ("pool", "threading", "event", "forking", "single")
        if concurrency != "event" or transport in ("tcp", "unix")
    }
    handlers = {handler["key"]: handler for handler in api.get("handlers")["items"]}
    assert {"echo", "clock", "discard"} <= handlers.keys()
    assert handlers["echo"]["source"] == "built-in"
    assert [option["name"] for option in handlers["echo"]["options"]] == ["upper"]


def test_every_start_and_stop_at_once_leaves_one_truth(api: Api, make_server: MakeServer) -> None:
    """Commands that race leave the server as the last one wants it, and no other listener."""
    server = make_server()
    path = f"servers/{server['name']}"
    verbs = ["start", "stop", "restart"] * 8
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda v: api.call("POST", f"{path}/{v}").status_code, verbs))
    assert set(statuses) == {200}
    now = api.get(path)
    assert now["state"] == {"running": "running", "stopped": "stopped"}[now["wanted"]]
    api.post(f"{path}/stop")
    equal(lambda: api.get(path)["state"], "stopped")
    assert refuses(server)
