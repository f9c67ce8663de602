"""watch(): what an observer knows of its server."""

from __future__ import annotations

from pathlib import Path

import pytest

import sockcore
from sockcore import Limits, RequestFinished
from sockcore.peers import peer_label
from sockcore.watching import watch
from tests.sockcore.watching import KINDS, LOOPBACK, Echo, factory, question, watched


@pytest.mark.parametrize("kind", KINDS)
def test_requests_say_where_their_server_listens(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        question(w.server, kind, socket_dir, b"x")
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.transport == kind.rpartition("-")[0]
        assert done.address == peer_label(w.server.address)
        assert done.address


def test_a_request_of_another_make_may_have_a_record_of_its_own() -> None:
    class Wrapped:
        record = "somebody else's"

        def shutdown(self, _how: int) -> None:
            pass

        def close(self) -> None:
            pass

    answered: list[object] = []
    with sockcore.TCPServer(LOOPBACK, lambda *args: answered.append(args[0])) as server:
        observer = watch(server, "hall", lambda _: None, Limits())
        wrapped = Wrapped()
        server.process_request(wrapped, ("192.0.2.1", 1))
    assert answered == [wrapped]
    assert observer.totals().requests_total == 0
