"""ForkingMixIn: when children are reaped, waited for, and how many there may be."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import os
import socketserver
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sockcore.forking import (
    LOOPBACK,
    Notes,
    answering,
    connected,
    latch,
    serve_until,
)
from tests.sockcore.serving import ask_once, read_all, wait_until


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def _zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _one_ended(server: Any) -> int:
    """Ask once, and wait for the child to be a zombie. Returns: its process id."""
    ask_once(server)
    (pid,) = server.active_children
    wait_until(lambda: _zombie(pid), "the end of the child")
    return int(pid)


def test_collecting_reaps_those_that_ended_and_waits_for_none(api: Any) -> None:
    with (
        latch() as held,
        api.ForkingTCPServer(LOOPBACK, answering(api, lambda: b"")) as server,
        connected(server, 1) as (client,),
    ):
        server.RequestHandlerClass = answering(api, lambda: held.wait())
        server.handle_request()
        (slow,) = server.active_children
        server.RequestHandlerClass = answering(api, lambda: b"")
        ask_once(server)
        (quick,) = server.active_children - {slow}
        wait_until(lambda: _zombie(quick), "the end of the child")
        server.collect_children()
        assert server.active_children == {slow}
        assert _gone(quick)
        held.let_go()
        assert read_all(client) == b""


def test_collecting_may_wait_for_all(api: Any) -> None:
    with (
        latch() as held,
        api.ForkingTCPServer(LOOPBACK, answering(api, lambda: held.wait())) as server,
        connected(server, 3) as clients,
    ):
        for _ in clients:
            server.handle_request()
        held.let_go()
        server.collect_children(blocking=True)
        assert server.active_children == set()


def test_child_reaped_by_somebody_else_is_forgotten(api: Any) -> None:
    with api.ForkingTCPServer(LOOPBACK, answering(api, lambda: b"")) as server:
        pid = _one_ended(server)
        assert os.waitpid(-1, 0) == (pid, 0)
        server.collect_children()
        assert server.active_children == set()


def test_children_that_are_not_the_servers_are_left_alone(api: Any) -> None:
    with api.ForkingTCPServer(LOOPBACK, answering(api, lambda: b"")) as server:
        other = os.fork()
        if not other:
            os._exit(72)
        wait_until(lambda: _zombie(other), "the end of the other child")
        ask_once(server)
        server.collect_children(blocking=True)
        assert server.active_children == set()
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 72


def test_waiting_in_vain_for_a_request_reaps(api: Any) -> None:
    with api.ForkingTCPServer(LOOPBACK, answering(api, lambda: b"")) as server:
        pid = _one_ended(server)
        server.timeout = 0.001
        server.handle_request()
        assert server.active_children == set()
        assert _gone(pid)


def test_loop_reaps_between_requests(api: Any) -> None:
    with (
        api.ForkingTCPServer(LOOPBACK, answering(api, lambda: b"here")) as server,
        connected(server, 3) as clients,
    ):
        served: list[object] = []
        process_request = server.process_request

        def counting(request: Any, client_address: Any) -> None:
            served.append(client_address)
            process_request(request, client_address)

        server.process_request = counting
        serve_until(server, lambda: len(served) == 3 and not server.active_children)
        for client in clients:
            assert read_all(client) == b"here"


@pytest.mark.parametrize("blocks", [True, False])
def test_closing_waits_for_children_unless_told_not_to(api: Any, blocks: bool) -> None:
    with latch() as held:
        server = api.ForkingTCPServer(LOOPBACK, answering(api, lambda: held.wait()))
        server.block_on_close = blocks
        with connected(server, 1) as (client,):
            server.handle_request()
            (pid,) = server.active_children
            if blocks:
                held.let_go()
            server.server_close()
            assert server.socket.fileno() == -1
            assert server.active_children == (set() if blocks else {pid})
            assert _gone(pid) is blocks
            held.let_go()
            assert read_all(client) == b""
        if not blocks:
            server.collect_children(blocking=True)
        assert server.active_children == set()
        assert _gone(pid)


def test_no_more_children_than_allowed_live_at_once(api: Any, tmp_path: Path) -> None:
    notes = Notes(tmp_path / "notes")

    def answer() -> bytes:
        notes.note("in")
        time.sleep(0.02)  # the work: long enough that one too many would be seen
        notes.note("out")
        return b"done"

    class Server(api.ForkingTCPServer):
        max_children = 2

    with Server(LOOPBACK, answering(api, answer)) as server, connected(server, 6) as clients:
        serve_until(server, lambda: notes.of("child").count("out") == 6)
        for client in clients:
            assert read_all(client) == b"done"
    alive, most = 0, 0
    for line in notes.of("child"):
        alive += 1 if line == "in" else -1
        most = max(most, alive)
    assert 1 <= most <= 2  # two at once where the machine has time for it


def test_limit_may_be_changed_while_serving(api: Any) -> None:
    with (
        latch() as held,
        api.ForkingTCPServer(LOOPBACK, answering(api, lambda: held.wait() or b"done")) as server,
        connected(server, 3) as clients,
    ):
        server.max_children = 3
        # At the third the stdlib waits for one to end: so it must not come to that here.
        serve_until(server, lambda: len(server.active_children or ()) == 2)
        server.max_children = 10
        serve_until(server, lambda: len(server.active_children) == 3)
        held.let_go()
        for client in clients:
            assert read_all(client) == b"done"


def test_slow_child_does_not_hold_the_others(api: Any) -> None:
    with latch() as held:
        handlers = [
            answering(api, lambda: held.wait() or b"slow"),
            answering(api, lambda: b"quick"),
        ]

        class Server(api.ForkingTCPServer):
            def process_request(self, request: Any, client_address: Any) -> None:
                self.RequestHandlerClass = handlers.pop(0)
                super().process_request(request, client_address)

        with Server(LOOPBACK, None) as server, connected(server, 2) as (slow, quick):
            serve_until(server, lambda: not handlers)
            assert read_all(quick) == b"quick"
            held.let_go()
            assert read_all(slow) == b"slow"


def test_mixin_asks_no_more_of_a_server_than_the_hooks(api: Any, tmp_path: Path) -> None:
    """It may stand before any class with the hooks, also for its limit: a stdlib server, say."""
    notes = Notes(tmp_path / "notes")

    class Server(api.ForkingMixIn, socketserver.TCPServer):
        max_children = 1

    def answer() -> bytes:
        notes.note("in")
        notes.note("out")
        return b"done"

    with Server(LOOPBACK, answering(api, answer)) as server, connected(server, 3) as clients:
        serve_until(server, lambda: notes.of("child").count("out") == 3)
        for client in clients:
            assert read_all(client) == b"done"
    assert notes.of("child") == ["in", "out"] * 3
