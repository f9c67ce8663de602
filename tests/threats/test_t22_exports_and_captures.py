"""T22: what is kept, and what is sent of it, has bounds that are there unasked and can be seen."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from app.domain import Capture, RetentionRules
from app.services.exports import AT_ONCE
from tests.clients import Client
from tests.conftest import LaunchApp, MakeServer
from tests.running import Api, RunningApp, definition
from tests.waiting import equal, eventually

#: Kept of each of so many requests, so that an export is far longer than what sockets hold.
KEPT = 1_000_000
ROWS = 60  # all of them have room in the recorder

#: Bytes of memory that one export may take: some MiB of rows, their text, and what the allocator
#: keeps of it. With 64 rows at a time it was 160 MB and more here.
MOST = 120_000_000


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    """One whose log has some dozens of MB."""
    app = launch().start()
    capture = {"bytes": KEPT}
    server = app.api.post("servers", definition(name="big", handler="discard", capture=capture))
    for _ in range(ROWS):
        with Client(server) as client:
            client.send(bytes(range(256)) * (KEPT // 256))
            client.end()
            assert client.receive(1) == b""
    eventually(lambda: app.api.get("requests/count", q="server:big")["rows"] == ROWS)
    return app


@contextmanager
def begun(app: RunningApp, format_: str = "jsonl") -> Iterator[httpx2.Response]:
    """An export of which nothing is read but its beginning."""
    path, params = "/api/v1/requests/export", {"format": format_}
    with app.api.client.stream("GET", path, params=params) as answer:
        yield answer


def rss(pid: int) -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


def test_t22_so_many_exports_at_a_time(app: RunningApp) -> None:
    before = rss(app.pid)
    with ExitStack() as stack:
        for number in range(AT_ONCE):
            answer = stack.enter_context(begun(app, ("csv", "jsonl", "pcapng")[number % 3]))
            assert answer.status_code == 200
        refused = app.api.refused(429, "GET", "requests/export", params={"format": "csv"})
        assert refused["code"] == "too_many_exports"
        again = app.api.call("GET", "requests/export", params={"format": "csv"})
        assert int(again.headers["retry-after"]) > 0
        # Nobody reads: what is in memory of them does not grow with what they have to send.
        time.sleep(1)
        assert rss(app.pid) - before < 2 * MOST
        started = time.monotonic()
        assert app.api.get("servers")["items"]
        assert time.monotonic() - started < 10
    # Those that went away have left their places, and so have those that are done.
    for _ in range(AT_ONCE + 1):
        equal(lambda: _status(app), 200)


def _status(app: RunningApp) -> int:
    with begun(app) as answer:
        return int(answer.status_code)


def test_t22_a_refused_export_takes_no_place(app: RunningApp) -> None:
    for _ in range(2 * AT_ONCE):
        app.api.refused(422, "GET", "requests/export", params={"format": "csv", "q": "size:x"})
        name = {"format": "csv", "follow": "0123456789abcdef", "q": "nothing-like-it"}
        app.api.call("GET", "requests/export", params=name)  # the second time it is there already
    assert _status(app) == 200


def test_t22_all_of_a_long_export_costs_no_memory(app: RunningApp) -> None:
    app.api.call("GET", "requests/export", params={"format": "csv", "q": "nothing-like-it"})
    before, most, size = rss(app.pid), 0, 0
    with begun(app) as answer:
        for piece in answer.iter_bytes():
            size += len(piece)
            most = max(most, rss(app.pid))
    assert size > ROWS * KEPT
    assert most - before < MOST


def test_t22_defaults_are_bounded_and_shown(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    assert server["capture"] == {"policy": "full", "bytes": Capture().bytes, "mask": []}
    assert 0 < Capture().bytes <= 64 * 1024
    kept = api.get("log/retention")
    assert 0 < kept["max_bytes"] == RetentionRules().max_bytes
    assert 0 < kept["max_age_days"] == RetentionRules().max_age_days
    most = 16 * 1024 * 1024
    path = f"servers/{server['name']}"
    assert api.patch(path, {"capture": {"bytes": most}})["capture"]["bytes"] == most
    refused = api.refused(422, "PATCH", path, json={"capture": {"bytes": most + 1}})
    assert refused["field"] == "capture.bytes"


def test_t22_what_is_sent_without_end_is_kept_to_the_bound(
    api: Api, make_server: MakeServer
) -> None:
    server = make_server(handler="discard", capture={"bytes": 1000})
    piece, total = bytes(64 * 1024), 0
    with Client(server) as client:
        for _ in range(512):
            client.send(piece)
            total += len(piece)
        client.end()
        with suppress(socket.timeout):
            assert client.receive(1) == b""
    (row,) = api.finished(server["name"], 1)
    detail = api.get(f"requests/{row['id']}")
    assert detail["received"]["bytes"] == total
    assert detail["received"]["truncated"] is True
    kept = api.call("GET", f"requests/{row['id']}/received").content
    assert len(kept) == 1000
