"""The main job over REST, for all four transports: define, start, talk, see who is there, cut
one, stop, start again, delete."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.app.soon import SOON_S
from tests.clients import DATAGRAMS, STREAMS, TRANSPORTS, Client, clients, refuses
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json, free_port
from tests.waiting import equal

N = 5


@pytest.fixture
def stopped(make_server: MakeServer, transport: str) -> Json:
    """A server that was defined and never started, at an address that is its own."""
    address: dict[str, object] = {}
    if transport in ("tcp", "udp"):
        kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
        address["address"] = {"host": "127.0.0.1", "port": free_port(kind)}
    server = make_server(transport, wanted="stopped", **address)
    assert (server["state"], server["fileno"], server["server_address"]) == ("stopped", None, None)
    return server


def peers(api: Api, name: str) -> list[str]:
    return [connection["peer"] for connection in api.connections(name)]


@pytest.mark.parametrize("transport", STREAMS)
def test_stream_server_from_definition_to_deletion(
    api: Api, stopped: Json, transport: str
) -> None:
    name = stopped["name"]
    server = api.post(f"servers/{name}/start")
    assert server["state"] == "running"
    assert isinstance(server["fileno"], int)

    with clients(server, N, hello=True) as connected:
        equal(lambda: peers(api, name), [client.peer for client in connected], SOON_S)
        equal(lambda: [row["outcome"] for row in api.requests(name)], ["open"] * N, SOON_S)

        _cut_the_second(api, name, connected)
        stopped_again = api.post(f"servers/{name}/stop")
        assert stopped_again["state"] == "stopped"
        assert refuses(server)
        assert all(client.sees_the_end(SOON_S) for client in connected)

    again = api.post(f"servers/{name}/start")
    assert again["server_address"] == server["server_address"]
    with Client(again) as client:
        assert client.ask(b"again") == b"again"
    rows = api.finished(name, N + 1)
    assert [row["outcome"] for row in rows].count("stopped") == N - 1

    api.delete(f"servers/{name}")
    assert refuses(server)
    assert api.refused(404, "GET", f"servers/{name}")["code"] == "server_not_found"
    assert len(api.requests(name)) == N + 1


def _cut_the_second(api: Api, name: str, connected: list[Client]) -> None:
    number = api.connections(name)[1]["id"]
    api.delete(f"servers/{name}/connections/{number}")
    assert connected[1].sees_the_end(SOON_S)
    rest = [client.peer for client in (connected[0], *connected[2:])]
    equal(lambda: peers(api, name), rest, SOON_S)

    def row() -> Json:
        return next(r for r in api.requests(name) if r["connection_id"] == number)

    equal(lambda: (row()["outcome"], row()["closed_by"]), ("disconnected", "panel"), SOON_S)
    assert row()["peer"] == connected[1].peer


@pytest.mark.parametrize("transport", DATAGRAMS)
def test_datagram_server_from_definition_to_deletion(
    api: Api, stopped: Json, transport: str, folder: Path
) -> None:
    name = stopped["name"]
    server = api.post(f"servers/{name}/start")
    assert isinstance(server["fileno"], int)

    with clients(server, N, folder) as connected:
        for client in connected:
            assert client.ask(b"first") == b"first"
            assert client.ask(b"second") == b"second"
        equal(lambda: peers(api, name), [client.peer for client in connected], SOON_S)
        rows = api.finished(name, 2 * N)
        assert {row["outcome"] for row in rows} == {"ok"}

        cut = api.connections(name)[1]
        assert (cut["peer"], cut["bytes_in"], cut["bytes_out"]) == (connected[1].peer, 11, 11)
        api.delete(f"servers/{name}/connections/{cut['id']}")
        assert connected[1].peer not in peers(api, name)
        assert connected[1].ask(b"here again") == b"here again"
        assert peers(api, name)[-1] == connected[1].peer

        assert api.post(f"servers/{name}/stop")["state"] == "stopped"
        assert refuses(server, folder)
        assert api.connections(name) == []

    again = api.post(f"servers/{name}/start")
    assert again["server_address"] == server["server_address"]
    with Client(again, folder) as client:
        assert client.ask(b"again") == b"again"
    api.finished(name, 2 * N + 2)
    api.delete(f"servers/{name}")
    assert refuses(server, folder)


@pytest.mark.parametrize("transport", ["udp"])
def test_datagram_peer_is_a_connection_until_idle(api: Api, stopped: Json) -> None:
    name = stopped["name"]
    api.patch(f"servers/{name}", {"limits": {"idle_timeout_s": 0.5}})
    server = api.post(f"servers/{name}/start")
    with Client(server) as client:
        assert client.ask(b"hello") == b"hello"
        assert peers(api, name) == [client.peer]
        equal(lambda: peers(api, name), [])
        assert client.ask(b"hello") == b"hello"
        assert api.connections(name)[0]["id"] == 2
    assert {row["outcome"] for row in api.finished(name, 2)} == {"ok"}


@pytest.mark.parametrize("transport", ["tcp"])
def test_silent_stream_is_cut_when_idle(api: Api, stopped: Json) -> None:
    name = stopped["name"]
    api.patch(f"servers/{name}", {"limits": {"idle_timeout_s": 0.3}})
    with Client(api.post(f"servers/{name}/start")) as client:
        assert client.sees_the_end(SOON_S + 0.3)
    (row,) = api.finished(name, 1)
    assert (row["outcome"], row["closed_by"]) == ("idle", "idle")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_commands_may_be_repeated(api: Api, stopped: Json, transport: str) -> None:
    name = stopped["name"]
    first, second = (api.post(f"servers/{name}/start") for _ in range(2))
    assert (first["started_at"], first["fileno"]) == (second["started_at"], second["fileno"])
    restarted = api.post(f"servers/{name}/restart")
    assert restarted["server_address"] == first["server_address"]
    assert restarted["started_at"] > first["started_at"]
    assert [api.post(f"servers/{name}/stop")["state"] for _ in range(2)] == ["stopped"] * 2
    assert api.post(f"servers/{name}/restart")["state"] == "running"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_answers_one_client_at_a_time_when_single(
    api: Api, stopped: Json, transport: str, folder: Path
) -> None:
    name = stopped["name"]
    api.patch(f"servers/{name}", {"concurrency": "single"})
    server = api.post(f"servers/{name}/start")
    for _ in range(3):
        with Client(server, folder) as client:
            assert client.ask(b"in turn") == b"in turn"
    assert {row["outcome"] for row in api.finished(name, 3)} == {"ok"}


@pytest.mark.parametrize("transport", ["unix", "unix-datagram"])
def test_socket_file_comes_and_goes_with_its_server(
    api: Api, app_thread: AppThread, stopped: Json, transport: str
) -> None:
    name = stopped["name"]
    place = app_thread.data_dir.resolve() / "sockets" / stopped["address"]["name"]
    assert not place.exists()
    server = api.post(f"servers/{name}/start")
    assert server["server_address"] == str(place)
    assert place.is_socket()
    assert place.parent.stat().st_mode & 0o777 == 0o700
    api.post(f"servers/{name}/restart")
    assert place.is_socket()
    api.post(f"servers/{name}/stop")
    assert not place.exists()


@pytest.mark.parametrize("transport", ["unix", "unix-datagram"])
def test_file_in_the_way_of_a_socket_stays(
    api: Api, app_thread: AppThread, stopped: Json, transport: str
) -> None:
    name = stopped["name"]
    place = app_thread.data_dir / "sockets" / stopped["address"]["name"]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"dear to somebody")
    problem = api.refused(409, "POST", f"servers/{name}/start")
    assert (problem["code"], problem["field"]) == ("socket_name_taken", "address.name")
    failed = api.get(f"servers/{name}")
    assert (failed["state"], failed["wanted"]) == ("failed", "running")
    assert str(place.name) in failed["error"]

    api.post(f"servers/{name}/stop")
    api.delete(f"servers/{name}")
    assert place.read_bytes() == b"dear to somebody"
    os.unlink(place)
