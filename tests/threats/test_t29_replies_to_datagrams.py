"""T29: a forged source makes nobody flood a third, and no two servers talk for ever."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.web.conftest import Panel
from tests.clients import DATAGRAMS, Client
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json, free_port, offer
from tests.waiting import eventually

ALL = {"replies_per_s": 0, "replies_from_port": 0}

#: Kinds that differ in how an answer leaves.
KINDS = (
    *(("single", "thread"), ("threading", "thread"), ("pool", "thread")),
    *(("pool", "process"), ("forking", "process")),
)
each_kind = pytest.mark.parametrize(("concurrency", "isolation"), KINDS)


@pytest.fixture
def gated(app_thread: AppThread, folder: Path) -> tuple[str, Path]:
    """The key of an echo whose answers wait for a file, and that file: with it a test can be
    somebody else at the address of the answer, as a forger is, without the right to forge."""
    gate = folder / "gate"
    source = f"""
        import os, time
        from socketserver import BaseRequestHandler

        class Gated(BaseRequestHandler):
            def handle(self):
                deadline = time.monotonic() + 20
                while not os.path.exists({str(gate)!r}) and time.monotonic() < deadline:
                    time.sleep(0.01)
                self.request[1].sendto(self.request[0], self.client_address)
        """
    return offer(app_thread, f"gated_{folder.name.replace('-', '_')}.py", source), gate


@contextlib.contextmanager
def forged(first: Json, transport: str, place: object) -> Iterator[None]:
    """A datagram to `first` that says it comes from `place`, where nobody is afterwards."""
    family = socket.AF_INET if transport == "udp" else socket.AF_UNIX
    with socket.socket(family, socket.SOCK_DGRAM) as forger:
        forger.bind(place)  # type: ignore[arg-type]
        address = first["server_address"]
        forger.sendto(b"x", tuple(address) if transport == "udp" else address)
    if transport != "udp":
        Path(str(place)).unlink()
    yield


def crossed(api: Api, *servers: Json) -> int:
    """Datagrams that the two have sent."""
    return sum(int(api.get(f"servers/{server['name']}")["bytes_out"]) for server in servers)


def all_are_told() -> bool:
    """Whether each datagram server knows where the others listen: a thread tells them."""
    return all(thread.name != "own-sockets" for thread in threading.enumerate())


@pytest.mark.parametrize("limits", [{}, ALL], ids=["by default", "without the rules"])
@pytest.mark.parametrize("transport", DATAGRAMS)
def test_t29_two_servers_do_not_talk_for_ever(
    api: Api,
    app_thread: AppThread,
    make_server: MakeServer,
    gated: tuple[str, Path],
    transport: str,
    limits: dict[str, int],
) -> None:
    key, gate = gated
    first = make_server(transport, handler=key, limits=limits)
    if transport == "udp":
        port = free_port(socket.SOCK_DGRAM)
        address: Json = {"host": "127.0.0.1", "port": port}
        place: object = ("127.0.0.1", port)
    else:
        address = {"name": f"{gate.parent.name}.sock"}
        place = str(app_thread.data_dir.resolve() / "sockets" / address["name"])
    with forged(first, transport, place):
        eventually(lambda: api.get(f"servers/{first['name']}")["requests_total"] == 1)
        second = make_server(transport, address=address, limits=limits)
        eventually(all_are_told)
        gate.touch()
        if limits:  # the loop that this is about
            eventually(lambda: crossed(api, first, second) > 1000)
            return
        row = api.finished(first["name"], 1)[0]
        assert row["outcome"] == "suppressed"
        assert crossed(api, first, second) == 0
        assert api.get(f"servers/{first['name']}")["suppressed_total"] == 1


@each_kind
def test_t29_one_source_gets_so_many_a_second(
    api: Api, make_server: MakeServer, concurrency: str, isolation: str
) -> None:
    server = make_server(
        "udp", concurrency=concurrency, isolation=isolation, limits={"replies_per_s": 5}
    )
    began = time.monotonic()
    with Client(server) as client:
        for _ in range(60):
            client.send(b"x")
        rows = api.finished(server["name"], 60)
        lasted_s = time.monotonic() - began
    sent = sum(row["outcome"] == "ok" for row in rows)
    assert 5 <= sent <= 5 + 5 * lasted_s
    assert {row["outcome"] for row in rows} == {"ok", "suppressed"}
    assert {(row["outcome"], row["bytes_out"]) for row in rows} == {("ok", 1), ("suppressed", 0)}
    now = f"servers/{server['name']}"
    eventually(lambda: api.get(now)["suppressed_total"] == 60 - sent)
    found = api.get("requests", q=f"server:{server['name']} outcome:suppressed", limit=100)
    assert len(found["items"]) == 60 - sent


def test_t29_the_pages_say_so_and_the_form_has_the_limits(panel: Panel) -> None:
    assert "Replies not sent" not in panel.html(f"/servers/{panel.define('many')['name']}")
    server = panel.define("few", transport="udp", limits={"replies_per_s": 1})
    with Client(server) as client:
        for _ in range(20):
            client.send(b"x")
        eventually(lambda: panel.server("few")["requests_total"] == 20)
        eventually(lambda: panel.server("few")["suppressed_total"] > 0)
        eventually(lambda: len(panel.requests("few")) == 20)
    assert "Replies not sent" in panel.html("/servers/few")
    assert "not answered" in panel.html("/requests?q=server:few")
    form = panel.html("/servers/few/edit")
    for field, value in (("replies_per_s", "1"), ("replies_from_port", "1024")):
        assert re.search(rf'name="{field}" value="{value}"', form)
    answer = panel.post("/servers/few/edit", transport="udp", handler="echo", replies_per_s="-1")
    assert 'id="error-replies_per_s"' in answer.text


@each_kind
def test_t29_an_echo_is_no_longer_than_what_it_answers(
    make_server: MakeServer, concurrency: str, isolation: str
) -> None:
    server = make_server("udp", concurrency=concurrency, isolation=isolation)
    with Client(server) as client:
        client.send(b"x")
        assert client.receive(9) == b"x"


def test_t29_the_rules_are_there_unless_a_definition_says_otherwise(
    api: Api, make_server: MakeServer
) -> None:
    server = make_server("udp")
    assert server["limits"]["replies_per_s"] == 100
    assert server["limits"]["replies_from_port"] == 1024
    path = f"servers/{server['name']}"
    with Client(server) as client:
        port = client.sock.getsockname()[1]
        api.patch(path, {"limits": {"replies_from_port": port + 1 if port < 65_535 else port}})
        client.send(b"x")
        (row,) = api.finished(server["name"], 1)
        assert row["outcome"] == ("suppressed" if port < 65_535 else "ok")
        api.patch(path, {"limits": ALL})
        client.send(b"y")
        assert client.receive(9)[-1:] == b"y"
