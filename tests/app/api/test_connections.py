"""Connections over REST: who is there, since when, with how many bytes; and cutting one."""

from __future__ import annotations

import contextlib
import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.app.soon import SOON_S
from tests.clients import TRANSPORTS, Client, clients
from tests.conftest import MakeServer
from tests.running import Api
from tests.waiting import equal, eventually


def test_nobody_is_connected_at_first(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    assert api.get(f"servers/{server['name']}/connections") == {"items": [], "next": None}


def test_stopped_server_has_no_connections(api: Api, make_server: MakeServer) -> None:
    assert api.connections(make_server(wanted="stopped")["name"]) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_connection_tells_its_bytes(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    server = make_server(transport, handler_options={"upper": True})
    before = datetime.now(UTC)
    with Client(server, folder) as client:
        client.ask(b"12345")

        def connection() -> dict[str, object]:
            (found,) = api.connections(server["name"])
            assert found["bytes_out"] == 5
            return dict(found)

        found = eventually(connection)
        assert (found["peer"], found["bytes_in"]) == (client.peer, 5)
        opened = datetime.fromisoformat(str(found["opened_at"]))
        assert before <= opened <= datetime.now(UTC)


def test_silence_is_told_in_seconds(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"hello")

        def idle() -> float:
            return float(api.connections(server["name"])[0]["idle_s"])

        eventually(lambda: idle() > 0.1)
        before = idle()
        client.ask(b"hello again")
        eventually(lambda: idle() < before)


def test_oldest_comes_first_and_ids_rise(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with clients(server, 4, hello=True) as connected:
        peers = [client.peer for client in connected]
        equal(lambda: [c["peer"] for c in api.connections(server["name"])], peers)
        connected[0].close()
        equal(lambda: [c["peer"] for c in api.connections(server["name"])], peers[1:])
        assert [c["id"] for c in api.connections(server["name"])] == [2, 3, 4]


def test_one_that_was_cut_is_gone_for_the_next_who_asks(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    path = f"servers/{server['name']}/connections"
    with Client(server) as client:
        client.ask(b"hello")
        (found,) = api.connections(server["name"])
        api.delete(f"{path}/{found['id']}")
        assert api.connections(server["name"]) == []
        problem = api.refused(404, "DELETE", f"{path}/{found['id']}")
        assert problem["code"] == "connection_not_found"
        assert client.sees_the_end(SOON_S)


def test_cutting_one_leaves_the_others(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with clients(server, 3) as connected:
        for client in connected:
            client.ask(b"hello")
        ids = {c["peer"]: c["id"] for c in api.connections(server["name"])}
        number = ids[connected[0].peer]
        api.delete(f"servers/{server['name']}/connections/{number}")
        assert connected[0].sees_the_end(SOON_S)
        for client in connected[1:]:
            assert client.ask(b"unharmed") == b"unharmed"


def test_client_that_never_stops_sending_is_cut_all_the_same(
    api: Api, make_server: MakeServer
) -> None:
    server = make_server(handler="discard")
    with Client(server) as client:
        sender = threading.Thread(target=pour, args=(client,))
        sender.start()
        try:
            (found,) = eventually(lambda: api.connections(server["name"]))
            api.delete(f"servers/{server['name']}/connections/{found['id']}")
            assert client.sees_the_end(SOON_S)
        finally:
            with contextlib.suppress(OSError):  # the server's reset may have come first
                client.sock.shutdown(socket.SHUT_RDWR)
            sender.join()
    (row,) = api.finished(server["name"], 1)
    assert (row["outcome"], row["closed_by"]) == ("disconnected", "panel")


def pour(client: Client) -> None:
    """Send until it is no longer taken."""
    with contextlib.suppress(OSError):
        while True:
            client.send(b"x" * 65_536)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("servers/nobody/connections/1", 404, "server_not_found"),
        ("servers/{name}/connections/99", 404, "connection_not_found"),
        ("servers/{name}/connections/-1", 404, "connection_not_found"),
        ("servers/{name}/connections/one", 422, "wrong_type"),
    ],
)
def test_cutting_what_is_not_there_says_so(
    api: Api, make_server: MakeServer, path: str, status: int, code: str
) -> None:
    server = make_server()
    assert api.refused(status, "DELETE", path.format(name=server["name"]))["code"] == code
