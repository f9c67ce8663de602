"""The limits of a definition as clients meet them, in this process and in another."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from tests.app.soon import SOON_S
from tests.clients import Client
from tests.conftest import MakeServer
from tests.running import Api, AppThread, offer
from tests.waiting import equal

pytestmark = pytest.mark.parametrize("isolation", ["thread", "process"])


def test_one_address_has_its_share_of_the_connections(
    api: Api, make_server: MakeServer, isolation: str
) -> None:
    server = make_server(isolation=isolation, limits={"max_connections_per_address": 1})
    with Client(server) as first:
        assert first.ask(b"in") == b"in"
        with Client(server) as second:
            assert second.sees_the_end(SOON_S)
        assert first.ask(b"still in") == b"still in"
    equal(lambda: api.get(f"servers/{server['name']}")["refused_total"], 1)


def test_a_client_that_reads_nothing_is_cut(
    api: Api, make_server: MakeServer, isolation: str
) -> None:
    server = make_server(isolation=isolation, limits={"send_timeout_s": 0.3})
    with Client(server) as client:
        sender = threading.Thread(target=_pour, args=(client,))
        sender.start()
        (row,) = api.finished(server["name"], 1)
        sender.join()
    assert (row["outcome"], row["closed_by"]) == ("unread", "unread")
    page = api.pages.get(f"/servers/{server['name']}").text
    assert "send limit" in page


def _pour(client: Client) -> None:
    """Send and never read, until it is no longer taken."""
    with contextlib.suppress(OSError):
        while True:
            client.send(b"x" * 65_536)


def test_a_pool_has_so_many_threads_and_so_long_a_queue(
    api: Api, make_server: MakeServer, waiting: str, isolation: str
) -> None:
    limits = {"max_threads": 1, "max_queue": 1}
    server = make_server(isolation=isolation, handler=waiting, limits=limits)
    path = f"servers/{server['name']}"
    with Client(server) as first, Client(server) as second, Client(server) as third:
        assert first.ask(b"mine") == b"mine"
        second.send(b"and mine")
        third.send(b"and mine")
        equal(lambda: api.get(path)["refused_total"], 1)
        first.send(b"I am done")
        assert sorted((_answer(second), _answer(third))) == [b"", b"and mine"]


def _answer(client: Client) -> bytes:
    """Empty for one that was turned away, which is a reset since it had said something."""
    try:
        return client.receive(8)
    except ConnectionResetError:
        return b""


def test_a_slow_handler_is_told_of_and_goes_on(
    api: Api, app_thread: AppThread, make_server: MakeServer, folder: Path, isolation: str
) -> None:
    key = offer(
        app_thread,
        "busy_elsewhere.py",
        """
        import pathlib
        import time
        from socketserver import BaseRequestHandler

        class Busy(BaseRequestHandler):
            def handle(self):
                told_to_end = pathlib.Path(self.request.recv(1000).decode())
                while not told_to_end.exists():
                    time.sleep(0.01)
                self.request.sendall(b"done")
        """,
    )
    server = make_server(isolation=isolation, handler=key, limits={"handler_timeout_s": 0.2})
    path, end = f"servers/{server['name']}", folder / f"end-{isolation}"
    with Client(server) as client:
        client.send(str(end).encode())
        equal(lambda: api.get(path)["overdue_total"], 1)
        assert "Slow" in api.pages.get(f"/{path}").text
        end.touch()
        assert client.receive(4) == b"done"
    (row,) = api.finished(server["name"], 1)
    assert row["outcome"] == "ok"
