"""R22: a host process that dies is started again after 1, 2, 4 .. 60 s, and not without end.

After five deaths within a minute it stays failed, and says so.
"""

from __future__ import annotations

import os
import signal
import time
from functools import partial

from sockcore import HostedServer, ServerState
from sockcore.host import Restarts
from tests.promises.proc import children
from tests.promises.serving import short_and_full
from tests.waiting import eventually

TARGET = "tests.promises.making:made"
ARGUMENTS: tuple[object, ...] = ("ThreadingTCPServer", "Answer", ("127.0.0.1", 0), {}, [])


@short_and_full("restarts", Restarts(first_s=0.05, longest_s=0.15), Restarts())
def test_r22_crash_loop(restarts: Restarts) -> None:
    before = children(os.getpid())
    server = HostedServer(TARGET, ARGUMENTS, restarts=restarts).start()
    try:
        killed: set[int] = set()
        pauses: list[float] = []
        died_at = 0.0
        for _ in range(restarts.most):
            pid = eventually(partial(_alive, server, killed), restarts.longest_s + 20)
            assert pid is not None
            if killed:
                pauses.append(time.monotonic() - died_at)
            killed.add(pid)
            died_at = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            eventually(lambda: server.state is ServerState.FAILED)
        assert len(killed) == restarts.most
        for number, pause_s in enumerate(pauses):
            assert pause_s >= min(restarts.longest_s, restarts.first_s * 2**number)
        eventually(lambda: "given up after" in (server.error or ""))
        assert "SIGKILL" in (server.error or "")
        assert children(os.getpid()) == before
        # By hand it can be started again.
        assert server.start().state is ServerState.RUNNING
    finally:
        server.stop()
    assert children(os.getpid()) == before


def _alive(server: HostedServer, killed: set[int]) -> int | None:
    """Its process, unless that is one that was killed."""
    pid = server.pid
    return pid if pid is not None and pid not in killed else None
