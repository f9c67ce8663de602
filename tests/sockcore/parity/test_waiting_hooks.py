"""Hooks and sockets that wait: the loop asks for nothing that may not be there, and the end of a
program loses no request."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import closing
from typing import Any

import pytest

from tests.sockcore.serving import DEADLINE_S, in_thread, join, read_all, wait_until

LOOPBACK = ("127.0.0.1", 0)

#: Longer than a test waits for anything.
_PATIENT_S = 3 * DEADLINE_S

NAMES = ["UDPServer", "ThreadingUDPServer"]


def _upper(api: Any) -> Any:
    class Upper(api.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            sock.sendto(data.upper(), self.client_address)

    return Upper


def _answers_and_stops(server: Any) -> None:
    """One datagram, then nothing more comes: the loop goes round, and ends when it is told to."""
    rounds: list[None] = []
    server.service_actions = lambda: rounds.append(None)
    with server, in_thread(server.serve_forever, 0.01) as serving:
        with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client:
            client.settimeout(DEADLINE_S)
            client.sendto(b"hi", server.server_address)
            assert client.recv(10) == b"HI"
        before = len(rounds)
        wait_until(lambda: len(rounds) > before + 3, "the next rounds")
        with in_thread(server.shutdown) as stopping:
            join(stopping)
        join(serving)


@pytest.mark.parametrize("name", NAMES)
def test_get_request_of_a_subclass_is_asked_for_what_is_there_alone(api: Any, name: str) -> None:
    class Server(getattr(api, name)):  # type: ignore[misc]  # chosen at run time
        def get_request(self) -> Any:
            data, address = self.socket.recvfrom(65_535)
            return (data, self.socket), address

    _answers_and_stops(Server(LOOPBACK, _upper(api)))


@pytest.mark.parametrize("name", NAMES)
def test_the_timeout_of_a_datagram_socket_does_not_hold_the_loop(api: Any, name: str) -> None:
    server = getattr(api, name)(LOOPBACK, _upper(api))
    server.socket.settimeout(_PATIENT_S)
    _answers_and_stops(server)


def test_a_datagram_server_finds_the_patch_of_its_base(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    patched: list[object] = []
    finish = api.BaseServer.finish_request

    def noting(server: Any, request: Any, client_address: Any) -> None:
        patched.append(client_address)
        finish(server, request, client_address)

    monkeypatch.setattr(api.BaseServer, "finish_request", noting)
    _answers_and_stops(api.UDPServer(LOOPBACK, _upper(api)))
    assert len(patched) == 1


PROGRAM = """
import sys, time
import {module} as api

class Slow(api.BaseRequestHandler):
    def handle(self):
        time.sleep(0.05)
        self.request.sendall(b"answer")

server = api.ThreadingTCPServer(("127.0.0.1", 0), Slow)
print(server.server_address[1], flush=True)
server.handle_request()
"""


def test_a_program_that_ends_answers_whom_it_accepted(api: Any) -> None:
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(module=api.__name__)],
            stdout=subprocess.PIPE,
            text=True,
        ) as program:
            assert program.stdout is not None
            port = int(program.stdout.readline())
            with closing(socket.create_connection(("127.0.0.1", port), DEADLINE_S)) as client:
                assert read_all(client) == b"answer"
            assert program.wait(DEADLINE_S) == 0
