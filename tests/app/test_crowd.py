"""Many clients that come and go: the counts end exact, and nothing is left behind."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.descriptors import OF_THREADS, in_words, targets
from tests.running import Json, RunningApp, definition, offer
from tests.waiting import DEADLINE_S, equal, eventually
from tests.watching import watching

THREADS = """
    import threading
    from socketserver import BaseRequestHandler

    class Names(BaseRequestHandler):
        def handle(self):
            names = [thread.name for thread in threading.enumerate()]
            self.request.sendall("\\n".join(names).encode())
"""


class Threads:
    """The threads of an app, as a handler inside of it sees them."""

    def __init__(self, app: RunningApp) -> None:
        key = offer(app, "threads.py", THREADS)
        body = definition(name="threads", concurrency="single", handler=key)
        self._server = app.api.post("servers", body)
        self.names()  # what its thread makes at first is there then

    def names(self) -> Counter[str]:
        """How many of each name, numbers left out; without the pool that answers HTTP, which
        grows to its own limit."""
        with Client(self._server) as client:
            told = client.receive(100_000).decode().splitlines()
        return Counter(name.rstrip("0123456789") for name in told if "AnyIO" not in name)


class Crowd:
    """So many clients in so many threads, each of them coming and going at random."""

    def __init__(self, server: Json, number: int, seconds: float, seed: int) -> None:
        self._server = server
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()  # guards the counts
        self.counts: Counter[str] = Counter()
        self.failures: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._come_and_go, args=(random.Random(seed + i),))
            for i in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def _come_and_go(self, chance: random.Random) -> None:
        own: Counter[str] = Counter()
        try:
            while time.monotonic() < self._until:
                self._visit(chance, own)
        except Exception as error:
            self.failures.append(error)
        with self._lock:
            self.counts += own

    def _visit(self, chance: random.Random, own: Counter[str]) -> None:
        with Client(self._server) as client:
            own["connections"] += 1
            for _ in range(chance.randrange(4)):
                data = b"x" * chance.randrange(1, 2000)
                assert client.ask(data) == data
                own["bytes"] += len(data)
                threading.Event().wait(chance.random() * 0.05)

    def goes_on(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(2 * DEADLINE_S)
            assert not thread.is_alive()


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    return launch().start()


@pytest.mark.parametrize(
    ("number", "seconds"),
    [
        (100, 3.0),
        pytest.param(500, 20.0, marks=[pytest.mark.torture, pytest.mark.timeout(180)]),
    ],
)
def test_counts_end_exact_and_nothing_is_left(
    app: RunningApp, number: int, seconds: float
) -> None:
    server = app.api.post("servers", definition(name="crowded"))
    _warm_up(app, server)
    threads = Threads(app)
    descriptors, before = _descriptors(app), threads.names()
    with watching(app.url), watching(app.url, "/live/servers"):
        watched = _descriptors(app)
        crowd = Crowd(server, number, seconds, seed=20)
        try:
            _stay_truthful(app, number, crowd)
        finally:
            crowd.join()
        assert crowd.failures == []
        equal(lambda: app.api.get("servers/crowded")["connections"], 0)
        eventually(lambda: _are_no_more(app, watched))

    total = crowd.counts["connections"] + 1
    assert total > number
    now = app.api.get("servers/crowded")
    assert (now["connections_total"], now["requests_total"]) == (total, total)
    assert now["bytes_in"] == now["bytes_out"] == crowd.counts["bytes"] + len(WARM_UP)
    assert (now["errors_total"], now["refused_total"]) == (0, 0)
    assert app.api.connections("crowded") == []

    stats = eventually(lambda: _all_stored(app))
    assert stats["dropped"] == 0
    assert _rows(app, "crowded") == total
    equal(lambda: threads.names() - before, Counter())
    eventually(lambda: _are_no_more(app, descriptors))
    assert app.stop() == 0
    assert "Traceback" not in app.log, app.log[-5000:]


def _descriptors(app: RunningApp) -> list[str]:
    """But for those of threads, which are counted themselves."""
    return targets(app.pid, but=OF_THREADS)


def _are_no_more(app: RunningApp, before: list[str]) -> bool:
    now = _descriptors(app)
    assert len(now) <= len(before), f"{len(before)} before; now {in_words(app.pid, now)}"
    return True


WARM_UP = b"warm-up"


def _warm_up(app: RunningApp, server: Json) -> None:
    """Once around: threads and files that are made at first use are there after it."""
    with watching(app.url), watching(app.url, "/live/servers"), Client(server) as client:
        assert client.ask(WARM_UP) == WARM_UP
    app.api.finished("crowded", 1)


def _stay_truthful(app: RunningApp, number: int, crowd: Crowd) -> None:
    """While they come and go, no count is ever one that cannot be."""
    while crowd.goes_on():
        server = app.api.get("servers/crowded")
        # A client may be back before its last visit is noticed to be over.
        assert 0 <= server["connections"] <= 2 * number
        assert server["connections"] <= server["connections_total"]
        stats = app.api.get("log/stats")
        assert stats["received"] == stats["stored"] + stats["dropped"] + stats["pending"]
        threading.Event().wait(0.05)


def _all_stored(app: RunningApp) -> Json:
    stats = app.api.get("log/stats")
    assert stats["pending"] == 0
    assert stats["received"] == stats["stored"] + stats["dropped"]
    return stats


def _rows(app: RunningApp, name: str) -> int:
    """How many rows the log has, page by page; each of them once, and over."""
    seen: set[str] = set()
    before: dict[str, str] = {}
    while True:
        page = app.api.get("requests", server=name, limit=500, **before)
        for row in page["items"]:
            assert row["id"] not in seen
            assert row["outcome"] == "ok"
            seen.add(row["id"])
        if page["next"] is None:
            return len(seen)
        before = {"before": page["next"]}
