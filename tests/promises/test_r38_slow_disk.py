"""R38: a disk that hangs holds up no handler: what is asked is answered while a commit waits."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from app.domain import RequestSummary
from app.store.requests import RequestEvent
from tests.clients import Client
from tests.conftest import MakeServer
from tests.promises.serving import short_and_full
from tests.running import AppThread
from tests.waiting import DEADLINE_S, equal


@short_and_full("requests", 100, 10_000)
def test_r38_slow_disk(
    app_thread: AppThread, make_server: MakeServer, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    store = app_thread.sockpit.store
    hangs, goes_on = threading.Event(), threading.Event()
    append = store.append

    def slow(batch: Sequence[RequestEvent]) -> list[RequestSummary]:
        hangs.set()
        assert goes_on.wait(8 * DEADLINE_S)
        return append(batch)

    server = make_server()
    monkeypatch.setattr(store, "append", slow)
    try:
        for number in range(requests):
            with Client(server) as client:
                assert client.ask(b"%d" % number) == b"%d" % number
        assert hangs.wait(DEADLINE_S)
        assert app_thread.api.requests(server["name"]) == []  # none is on the disk yet
    finally:
        goes_on.set()
    equal(lambda: app_thread.api.get("requests/count", server=server["name"])["rows"], requests)
