"""The servers as a service: wanted and actual, over the ends and beginnings of the app.

What REST shows of them is tested there; here is what only the parts inside can show.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.domain import ServerStatus
from app.errors import AppError, Conflict, NotFound, Unavailable
from app.main import Sockpit
from app.services.servers import ServerService
from app.settings import Settings
from app.who import SOCKPIT
from tests.running import definition, free_port
from tests.waiting import DEADLINE_S, eventually


@contextmanager
def sockpit(folder: Path) -> Iterator[Sockpit]:
    """Every part of the app but the panel, open over `folder`."""
    settings = Settings(data_dir=folder / "data", handlers_dir=folder / "handlers", demo=False)
    parts = Sockpit(settings)
    parts.open()
    try:
        yield parts
    finally:
        parts.close()


@pytest.fixture
def servers(folder: Path) -> Iterator[ServerService]:
    with sockpit(folder) as parts:
        yield parts.servers


def states(servers: ServerService) -> dict[str, str]:
    return {status.spec.name: status.state for status in servers.all()}


def test_wanted_servers_are_brought_back_and_others_not(folder: Path) -> None:
    with sockpit(folder) as parts:
        for number in range(30):
            parts.servers.create(definition(name=f"wanted-{number}"), SOCKPIT)
        parts.servers.create(definition(name="stopped", wanted="stopped"), SOCKPIT)
    with sockpit(folder) as parts:
        found = states(parts.servers)
        assert found.pop("stopped") == "stopped"
        assert len(found) == 30
        assert set(found.values()) == {"running"}


def test_one_that_fails_holds_up_nobody_and_stays_wanted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    with sockpit(folder) as parts:
        address = {"host": "127.0.0.1", "port": port}
        parts.servers.create(definition(name="blocked", address=address), SOCKPIT)
        parts.servers.create(definition(name="free"), SOCKPIT)
    with socket.create_server(("127.0.0.1", port)), sockpit(folder) as parts:
        assert states(parts.servers) == {"blocked": "failed", "free": "running"}
        blocked = parts.servers.get("blocked")
        assert blocked.spec.wanted == "running"
        assert f"127.0.0.1:{port}" in str(blocked.error)
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(r.levelname, r.exc_info) for r in told] == [("WARNING", None)], "one line, no fault"
    with sockpit(folder) as parts:
        assert states(parts.servers) == {"blocked": "running", "free": "running"}


def test_one_whose_handler_has_gone_fails_with_that_cause(folder: Path) -> None:
    handlers = folder / "handlers"
    handlers.mkdir()
    (handlers / "mine.py").write_text(
        "from socketserver import BaseRequestHandler\n"
        "class Mine(BaseRequestHandler):\n"
        "    def handle(self): ...\n",
        encoding="utf-8",
    )
    with sockpit(folder) as parts:
        parts.servers.create(definition(name="mine", handler="mine.py:Mine"), SOCKPIT)
    (handlers / "mine.py").unlink()
    with sockpit(folder) as parts:
        mine = parts.servers.get("mine")
        assert (mine.state, mine.spec.wanted) == ("failed", "running")
        assert "mine.py:Mine" in str(mine.error)


def test_address_that_is_allowed_no_more_is_not_listened_on(folder: Path) -> None:
    with sockpit(folder) as parts:
        parts.servers.create(definition(name="outside"), SOCKPIT)
    settings = Settings(data_dir=folder / "data", demo=False, listen_hosts=("::1",))
    narrow = Sockpit(settings)
    narrow.open()
    try:
        outside = narrow.servers.get("outside")
        assert outside.state == "failed"
        assert "SOCKPIT_LISTEN_HOSTS" in str(outside.error)
    finally:
        narrow.close()


def test_nothing_starts_once_the_service_is_closed(servers: ServerService) -> None:
    servers.create(definition(name="one"), SOCKPIT)
    servers.close()
    assert states(servers) == {"one": "stopped"}
    assert servers.get("one").spec.wanted == "running"
    with pytest.raises(Unavailable) as refused:
        servers.start("one", SOCKPIT)
    assert refused.value.code == "closing"


def test_of_many_that_create_one_name_one_succeeds(servers: ServerService) -> None:
    barrier = threading.Barrier(8)

    def create(_: int) -> ServerStatus | AppError:
        barrier.wait(DEADLINE_S)
        try:
            return servers.create(definition(name="wanted-by-all"), SOCKPIT)
        except AppError as refusal:
            return refusal

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(create, range(8)))
    assert [type(answer) for answer in told].count(ServerStatus) == 1
    assert {a.code for a in told if isinstance(a, AppError)} == {"name_taken"}
    assert states(servers) == {"wanted-by-all": "running"}


def test_of_many_that_want_one_port_one_succeeds(servers: ServerService) -> None:
    address = {"host": "127.0.0.1", "port": free_port()}

    def create(number: int) -> str:
        try:
            return servers.create(definition(name=f"n{number}", address=address), SOCKPIT).state
        except AppError as refusal:
            return refusal.code

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(create, range(8)))
    assert sorted(told) == [*["port_in_use"] * 7, "running"]
    assert len(states(servers)) == 1


def test_deletion_while_others_start_and_stop_leaves_nothing(servers: ServerService) -> None:
    servers.create(definition(name="short-lived"), SOCKPIT)

    def act(number: int) -> None:
        verb = (servers.start, servers.stop, servers.restart)[number % 3]
        try:
            verb("short-lived", SOCKPIT)
        except NotFound:
            return

    with ThreadPoolExecutor(6) as pool:
        acting = [pool.submit(act, number) for number in range(30)]
        servers.delete("short-lived", SOCKPIT)
        for done in acting:
            done.result(DEADLINE_S)
    assert states(servers) == {}
    with pytest.raises(NotFound):
        servers.get("short-lived")


def test_update_that_cannot_start_keeps_the_definition_and_says_why(
    servers: ServerService,
) -> None:
    servers.create(definition(name="one", wanted="stopped"), SOCKPIT)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Conflict) as refused:
            servers.update("one", {"address": {"port": port}, "wanted": "running"}, SOCKPIT)
    assert refused.value.code == "port_in_use"
    one = servers.get("one")
    assert (one.state, one.spec.wanted) == ("failed", "running")
    assert servers.start("one", SOCKPIT).server_address == ("127.0.0.1", port)


def test_listing_is_not_held_up_by_a_server_that_stops_slowly(folder: Path) -> None:
    handlers = folder / "handlers"
    handlers.mkdir()
    (handlers / "slow.py").write_text(
        "import time\n"
        "from socketserver import BaseRequestHandler\n"
        "class Slow(BaseRequestHandler):\n"
        "    def handle(self): time.sleep(0.5)\n",
        encoding="utf-8",
    )
    with sockpit(folder) as parts:
        servers = parts.servers
        slow = servers.create(definition(name="slow", handler="slow.py:Slow"), SOCKPIT)
        assert isinstance(slow.server_address, tuple)
        with socket.create_connection(slow.server_address):
            eventually(lambda: servers.get("slow").connections)
            stopping = threading.Thread(target=servers.stop, args=("slow", SOCKPIT))
            stopping.start()
            eventually(lambda: states(servers) == {"slow": "stopping"})
            servers.create(definition(name="meanwhile"), SOCKPIT)
            assert states(servers) == {"meanwhile": "running", "slow": "stopping"}
            stopping.join(DEADLINE_S)
        assert states(servers)["slow"] == "stopped"
