"""`python -m tests.promises.before_and_now`: what slow visitors hold of the panel, as a table.

Once behind uvicorn's own protocol, once behind ours. Takes some three minutes, claims nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from tests.clients import ask
from tests.promises.proc import descriptors, rss
from tests.promises.remote import allow_all_descriptors
from tests.promises.visiting import BAD, Crowd, header, visitor
from tests.running import RunningApp, definition, short_folder

HALF, FLOOD, DEAF = 200, 3_000, 50

#: Requests that each watcher is to be told of, twice as many as may wait for it.
REQUESTS = 2_000

#: Seconds after which one is gone that was half a header, or took nothing.
HALF_S, DEAF_S = 13, 45

#: Bytes that a deaf watcher's system takes for it.
_ROOM = 4096


def half_headers(app: RunningApp) -> int:
    """Connections that are open after `HALF_S`."""
    with Crowd() as crowd:
        crowd.add(app, HALF, header("/api/v1/health")[:-2])
        time.sleep(HALF_S)
        return crowd.open()


def flood(app: RunningApp) -> int:
    """Descriptors that silent connections cost."""
    before = _sockets(app)
    with Crowd() as crowd:
        crowd.add(app, FLOOD, b"")
        return _sockets(app) - before


def deaf_watchers(app: RunningApp) -> Iterator[int]:
    """KiB of memory for each when more happened than may wait, and how many are open later."""
    server = app.api.post("servers", definition())
    app.api.close()  # it keeps a connection for a while, which is not to be counted
    _talk(server)  # what it costs anyhow
    time.sleep(1)  # until the last of its connections is gone
    before, sockets = rss(app.pid), _sockets(app)
    with ExitStack() as stack:
        for _ in range(DEAF):
            watcher = stack.enter_context(visitor(app, BAD, room=_ROOM))
            watcher.sendall(header("/api/v1/events"))
            assert b" 200 " in watcher.recv(16)
        _talk(server)
        yield (rss(app.pid) - before) // DEAF // 1024
        time.sleep(DEAF_S)
        yield _sockets(app) - sockets


def _talk(server: dict[str, object]) -> None:
    for number in range(REQUESTS):
        ask(server, b"request %d" % number)


def _sockets(app: RunningApp) -> int:
    return sum(each.startswith("socket:") for each in descriptors(app.pid).values())


@contextmanager
def running(*program: str) -> Iterator[RunningApp]:
    with short_folder() as folder, closing(RunningApp(folder)) as app:
        app.program = program
        yield app.start()


def measured(program: str) -> list[int]:
    with running(program) as first, running(program) as second, running(program) as third:
        return [half_headers(first), flood(second), *deaf_watchers(third)]


def main() -> None:
    allow_all_descriptors()
    stock, ours = measured("tests.promises.stock_panel"), measured("app")
    rows = (
        f"R4: of {HALF} connections with half a header, open after {HALF_S} s",
        f"R4: descriptors for {FLOOD:,} silent connections",
        f"R6: KiB for each of {DEAF} watchers that read nothing of {REQUESTS:,} requests",
        f"R6: of those, descriptors held {DEAF_S} s later",
    )
    for row, before, now in zip(rows, stock, ours, strict=True):
        print(f"| {row} | {before:,} | {now:,} |")  # noqa: T201


if __name__ == "__main__":
    main()
