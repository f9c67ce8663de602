"""R23: children of a forking server never hang on what others held when they were made.

A child holds its own connection and what it tells its host by, and nothing else: no listener, no
connection of others. Its host has one thread, so that no lock can be held where it forks.
"""

from __future__ import annotations

import json
from contextlib import ExitStack

from tests.promises.proc import children, descriptors, figures
from tests.promises.serving import Served, client_of, short_and_full, tcp
from tests.sockcore.serving import read_all
from tests.waiting import equal

#: Standard input, output and error: those of the host, by design.
_STANDARD = {"0", "1", "2"}


@short_and_full(("count", "at_once"), (60, 10), (1_000, 25))
def test_r23_children(count: int, at_once: int) -> None:
    with Served(tcp("forking"), "Descriptors", run="HostedServer") as server:
        (host,) = children(server.pid)
        assert figures(host).threads == 1
        of_the_host = set(descriptors(host).values())
        for _ in range(count // at_once):
            with ExitStack() as stack:
                clients = [stack.enter_context(client_of(server.address)) for _ in range(at_once)]
                for client in clients:
                    client.sendall(b"?")
                for client in clients:
                    has = json.loads(read_all(client))
                    own = [link for fd, link in has.items() if fd not in _STANDARD]
                    assert not of_the_host & set(own), has
                    # Its connection, and what it tells its host by.
                    assert 1 <= len(own) <= 2, has
        equal(lambda: server.report()["outcomes"], {"ok": count})
        equal(lambda: figures(host).children, 0)
        assert figures(host).threads == 1
        assert server.said() == ""
