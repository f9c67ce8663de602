"""R38: a disk that is slow holds up no handler: what is asked is answered while a commit waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.failpoints import Failpoint, arm
from tests.clients import Client
from tests.conftest import MakeServer
from tests.promises.serving import short_and_full
from tests.running import AppThread
from tests.waiting import equal

PLACE = "log.before_commit"


@pytest.fixture
def slow() -> Iterator[Failpoint]:
    """Every commit takes half a second."""
    yield arm(f"{PLACE}=sleep:500")[PLACE]
    arm("")


@short_and_full("requests", 100, 10_000)
def test_r38_slow_disk(
    app_thread: AppThread, make_server: MakeServer, slow: Failpoint, requests: int
) -> None:
    server = make_server()
    for number in range(requests):
        with Client(server) as client:
            assert client.ask(b"%d" % number) == b"%d" % number
    # Had one waited for a commit, there would be one for each of them.
    assert slow.fired <= requests // 4
    equal(lambda: app_thread.api.get("requests/count", server=server["name"])["rows"], requests)
    assert slow.fired > 0
