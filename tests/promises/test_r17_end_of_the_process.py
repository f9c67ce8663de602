"""R17: told to end, the process does so within 8 s with code 0, and loses nothing it answered.

Its listeners are closed first, what is in hand is finished, the log is written.
"""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from pathlib import Path

from tests.app.log_files import received, whole
from tests.clients import clients, refuses, talk
from tests.promises.serving import short_and_full
from tests.running import RunningApp, definition
from tests.waiting import DEADLINE_S, eventually

#: Seconds that it may take: a supervisor kills after ten.
END_S = 8.0

#: Clients that stay and are silent, of each server.
IDLE = 5


@short_and_full(("talkers", "answers"), (1, 20), (3, 100))
def test_r17_end_of_the_process(app_process: RunningApp, talkers: int, answers: int) -> None:
    app = app_process
    kinds = [k["concurrency"] for k in app.api.get("kinds")["items"] if k["transport"] == "tcp"]
    servers = [
        app.api.post("servers", definition(name=f"of-{kind}", concurrency=kind)) for kind in kinds
    ]
    answered: dict[str, list[bytes]] = {server["name"]: [] for server in servers}
    numbers = count(1)
    with ExitStack() as stack, ThreadPoolExecutor(talkers * len(servers)) as pool:
        idle = [
            client
            for server in servers
            if "single" not in server["name"]
            for client in stack.enter_context(clients(server, IDLE))
        ]
        talking = [
            pool.submit(talk, server, numbers, answered[server["name"]])
            for server in servers
            for _ in range(talkers)
        ]
        eventually(lambda: all(len(words) >= answers for words in answered.values()), 120)
        began = time.monotonic()
        assert app.stop(signal.SIGTERM) == 0
        assert time.monotonic() - began <= END_S
        for done in talking:
            done.result(DEADLINE_S)
        assert all(client.sees_the_end(DEADLINE_S) for client in idle)
    assert all(refuses(server) for server in servers)
    assert set(whole(app.data_dir)) == {"ok"}
    for name, words in answered.items():
        _check_log(app.data_dir, name, words)
    assert "Traceback" not in app.log, app.log


def _check_log(data_dir: Path, name: str, words: list[bytes]) -> None:
    stored = received(data_dir, name)
    assert [word for word in words if word not in stored] == [], name
    assert "open" not in stored.values(), name
