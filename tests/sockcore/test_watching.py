"""watch(): what an observer knows of its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from sockcore import RequestFinished
from sockcore.peers import peer_label
from tests.sockcore.watching import KINDS, Echo, factory, question, watched


@pytest.mark.parametrize("kind", KINDS)
def test_requests_say_where_their_server_listens(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        question(w.server, kind, socket_dir, b"x")
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.transport == kind.rpartition("-")[0]
        assert done.address == peer_label(w.server.address)
        assert done.address
