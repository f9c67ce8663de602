"""Every kind in both isolations over REST: what is shown and done is the same for all of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.services.kinds import KINDS
from tests.app.soon import SOON_S
from tests.clients import DATAGRAMS, STREAMS, Client, clients, refuses
from tests.conftest import MakeServer
from tests.running import Api, Json
from tests.waiting import equal, eventually

EVERY = [
    pytest.param(
        kind.transport,
        kind.concurrency,
        isolation,
        id="-".join((kind.transport, kind.concurrency, isolation)),
    )
    for kind in KINDS
    for isolation in ("thread", "process")
    if kind.concurrency != "forking" or isolation == "process"
]
STREAM_KINDS = [kind for kind in EVERY if kind.values[0] in STREAMS]
#: A kind that answers one connection at a time keeps the next client waiting.
SEVERAL = {"single": 1}


@pytest.fixture
def server(make_server: MakeServer, transport: str, concurrency: str, isolation: str) -> Json:
    return make_server(transport, concurrency=concurrency, isolation=isolation)


def peers(api: Api, name: str) -> list[str]:
    return [connection["peer"] for connection in api.connections(name)]


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), EVERY)
def test_it_runs_where_it_should(server: Json, isolation: str) -> None:
    assert (server["state"], server["error"]) == ("running", None)
    assert isinstance(server["fileno"], int)
    assert (server["pid"] == os.getpid()) == (isolation == "thread")
    os.kill(server["pid"], 0)  # it is there


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), EVERY)
def test_clients_are_answered_listed_counted_and_logged(
    api: Api, server: Json, transport: str, concurrency: str, folder: Path
) -> None:
    name, number = server["name"], SEVERAL.get(concurrency, 3) if transport in STREAMS else 3
    with clients(server, number, folder, hello=True) as connected:
        equal(lambda: peers(api, name), [client.peer for client in connected])
        equal(lambda: [c["bytes_out"] for c in api.connections(name)], [8] * number)
    rows = api.finished(name, number)
    assert {row["outcome"] for row in rows} == {"ok"}
    assert {row["closed_by"] for row in rows} == {"client" if transport in STREAMS else "handler"}
    assert {row["preview"] for row in rows} == {f"hello {n}\n" for n in range(number)}
    assert {(row["bytes_in"], row["bytes_out"]) for row in rows} == {(8, 8)}
    equal(lambda: counts(api, name), (number, number, 0, 8 * number, 8 * number))


def counts(api: Api, name: str) -> tuple[int, ...]:
    now = api.get(f"servers/{name}")
    kinds = ("connections_total", "requests_total", "errors_total", "bytes_in", "bytes_out")
    return tuple(now[kind] for kind in kinds)


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), EVERY)
def test_a_client_is_cut_by_hand(api: Api, server: Json, transport: str, folder: Path) -> None:
    name = server["name"]
    with Client(server, folder) as client:
        client.ask(b"hello")
        (found,) = eventually(lambda: api.connections(name))
        api.delete(f"servers/{name}/connections/{found['id']}")
        equal(lambda: api.connections(name), [])
        if transport in DATAGRAMS:
            return
        assert client.sees_the_end(SOON_S)
    (row,) = api.finished(name, 1)
    assert (row["outcome"], row["closed_by"]) == ("disconnected", "panel")


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), EVERY)
def test_it_stops_and_starts_again_where_it_was(
    api: Api, server: Json, transport: str, folder: Path
) -> None:
    name = server["name"]
    with Client(server, folder) as client:
        client.ask(b"hello")
        stopped = api.post(f"servers/{name}/stop")
        assert (stopped["state"], stopped["pid"], stopped["fileno"]) == ("stopped", None, None)
        assert (stopped["connections"], stopped["requests_total"]) == (0, 1)
        if transport in STREAMS:
            assert client.sees_the_end(SOON_S)
    assert refuses(server, folder)
    (row,) = api.finished(name, 1)
    assert row["outcome"] == ("stopped" if transport in STREAMS else "ok")
    again = api.post(f"servers/{name}/start")
    with Client(again, folder) as client:
        assert client.ask(b"again") == b"again"


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), STREAM_KINDS)
def test_a_client_that_says_nothing_is_cut_when_idle(
    api: Api, server: Json, transport: str, folder: Path
) -> None:
    name = server["name"]
    with Client(server, folder) as client:
        client.ask(b"hello")
        api.patch(f"servers/{name}", {"limits": {"idle_timeout_s": 0.2}})
        assert client.sees_the_end(SOON_S)
    (row,) = api.finished(name, 1)
    assert (row["outcome"], row["closed_by"]) == ("idle", "idle")
