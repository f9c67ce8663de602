"""HostedServer with forking servers: a process of one thread that forks, and its children."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sockcore import Restarts, ServerState, ServerStopped
from tests.sockcore.hosts import ask, connected, serving
from tests.waiting import equal, eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("kind", ["ForkingTCPServer", "ForkingUnixStreamServer"])
def test_a_child_of_the_host_answers(kind: str, folder: Path) -> None:
    address = str(folder / "forking.sock") if "Unix" in kind else ("127.0.0.1", 0)
    with serving(kind, address=address) as (server, heard):
        with connected(server) as client:
            answering = int(ask(client, b"pid\n"))
            assert answering not in (os.getpid(), server.pid)
            assert children_of(server.pid or 0) == [answering]
        equal(lambda: children_of(server.pid or 0), [])
        assert len(os.listdir(f"/proc/{server.pid}/task")) == 1
    assert server.state is ServerState.STOPPED
    assert heard.names[0] == "ServerStarted"
    assert heard.names[-1] == "ServerStopped"


def test_datagrams() -> None:
    with (
        serving("ForkingUDPServer", "Upper") as (server, _),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.settimeout(20)
        peer.sendto(b"a", server.address)
        assert peer.recv(10) == b"A"


def test_r23_none_of_a_thousand_children_hangs() -> None:
    with serving("ForkingTCPServer") as (server, _):
        answers: list[bytes] = []

        def ask_many() -> None:
            for _ in range(250):
                with connected(server) as client:
                    answers.append(ask(client, b"pid\n"))

        askers = [threading.Thread(target=ask_many) for _ in range(4)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert len(set(answers)) > 900  # a process id may come again
        assert len(answers) == 1000
        equal(lambda: children_of(server.pid or 0), [])


def test_r23_a_child_holds_its_connection_its_channel_and_stdio_alone() -> None:
    with (
        serving("ForkingTCPServer") as (server, _),
        connected(server) as first,
        connected(server) as second,
    ):
        for client in (first, second):  # the second child is made while the first lives
            answering = int(ask(client, b"pid\n"))
            open_there = {fd.name for fd in Path(f"/proc/{answering}/fd").iterdir()}
            assert len(open_there - {"0", "1", "2"}) == 2


def test_r24_its_address_is_free_while_a_child_lives() -> None:
    with serving("ForkingTCPServer", restarts=Restarts(most=1)) as (server, heard):
        with connected(server) as client:
            answering = int(ask(client, b"pid\n"))
            address = server.address
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            cause = heard.wait_for(ServerStopped)[0].cause
            assert cause == "its host process died of signal 9 (SIGKILL)"
            assert is_there(answering)
            with socket.create_server(address):
                pass
        eventually(lambda: not is_there(answering))


def test_stop_lets_children_finish_and_kills_those_that_do_not() -> None:
    with serving("ForkingTCPServer", "Stuck") as (server, heard):
        with connected(server):
            (stuck,) = eventually(lambda: children_of(server.pid or 0))
            assert server.stop(1.0) == 1
        assert not is_there(stuck)
        assert heard.of(ServerStopped)[0].abandoned == 1


def test_they_end_with_the_parent() -> None:
    program = (
        "import sys, time\n"
        "from tests.sockcore.hosts import hosted\n"
        "server, _ = hosted('ForkingTCPServer')\n"
        "print(server.start().pid, server.address[1], flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        host, port = map(int, parent.stdout.readline().split())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            answering = int(ask(client, b"pid\n"))
            parent.kill()
            eventually(lambda: not is_there(host) and not is_there(answering))


def test_sigterm_stops_it_in_order() -> None:
    with serving("ForkingTCPServer", restarts=Restarts(most=1)) as (server, heard):
        with connected(server) as client, contextlib.suppress(ConnectionResetError):
            answering = int(ask(client, b"pid\n"))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGTERM)
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        eventually(lambda: not is_there(answering))
        cause = heard.wait_for(ServerStopped)[0].cause
        assert cause == "its host process was told to end (SIGTERM)"
