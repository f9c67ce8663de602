"""R35: a second process on one data directory is refused, naming the first, whose work goes on."""

from __future__ import annotations

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.promises.serving import short_and_full
from tests.running import RunningApp, definition
from tests.waiting import DEADLINE_S, equal


@pytest.mark.timeout(170)
@short_and_full(("tries",), (2,), (20,))
def test_r35_second_process(app_process: RunningApp, launch: LaunchApp, tries: int) -> None:
    first = app_process
    server = first.api.post("servers", definition())
    with Client(server) as client:
        for number in range(tries):
            second = launch({"DATA_DIR": str(first.data_dir), "PORT": str(first.port)})
            # Its port is taken too, which it would say if it had tried.
            assert second.launch().wait(DEADLINE_S) == 4
            assert f"in use by pid {first.pid}" in second.log
            assert len(second.log.splitlines()) == 1
            assert client.ask(b"%d" % number) == b"%d" % number
    equal(lambda: first.api.get("log/stats")["stored"], 1)
    assert first.stop() == 0
    # Who came second has left nothing that would keep the next one out.
    first.start()
    assert len(first.api.requests(server["name"])) == 1
