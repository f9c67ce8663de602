"""ThreadingMixIn with a cap, which the stdlib has not."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import sockcore
from tests.sockcore.serving import connect, running, wait_until
from tests.sockcore.watching import LOOPBACK, Echo


class Capped(sockcore.ThreadingTCPServer):
    max_threads = 2
    turns = 0

    def service_actions(self) -> None:
        self.turns += 1


@contextlib.contextmanager
def serving() -> Iterator[Capped]:
    with Capped(LOOPBACK, Echo) as server, running(server):
        yield server


def ask(client: socket.socket) -> bytes:
    client.sendall(b"?")
    return client.recv(9)


def test_there_is_none_unless_asked_for() -> None:
    assert sockcore.ThreadingMixIn.max_threads is None
    assert sockcore.ThreadingTCPServer.max_threads is None


def test_who_comes_when_all_are_busy_waits_and_the_loop_goes_on() -> None:
    with serving() as server, contextlib.ExitStack() as clients:
        first, second, third = (
            clients.enter_context(connect(server.server_address)) for _ in range(3)
        )
        assert ask(first) == ask(second) == b"?"
        third.sendall(b"?")
        turns = server.turns
        wait_until(lambda: server.turns > turns + 1, "beats of the loop")
        third.settimeout(0.1)
        with pytest.raises(TimeoutError):
            third.recv(9)
        third.settimeout(20)
        second.close()
        assert third.recv(9) == b"?"
        assert ask(first) == b"?"


def test_no_more_than_that_answer_at_one_time() -> None:
    lock = threading.Lock()
    at_once: list[int] = [0, 0]  # now, at most

    class Counting(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            with lock:
                at_once[0] += 1
                at_once[1] = max(at_once)
            self.request.sendall(self.request.recv(9))
            with lock:
                at_once[0] -= 1

    with Capped(LOOPBACK, Counting) as server, running(server), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(server.server_address)) for _ in range(20)]
        for client in clients:
            assert ask(client) == b"?"
    assert at_once == [0, 2]


def test_a_thread_that_cannot_start_takes_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:

        def refuse(*_: Any) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(server, "handle_error", lambda *_: None)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            for _ in range(3):
                with connect(server.server_address) as client:
                    assert client.recv(1) == b""
        with connect(server.server_address) as one, connect(server.server_address) as other:
            assert ask(one) == ask(other) == b"?"
