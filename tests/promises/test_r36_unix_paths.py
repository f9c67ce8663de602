"""R36: the path that a killed server left is taken over; nothing else at a path ever is.

Neither the socket of one that lives, however busy it is, nor a file of another kind.
"""

from __future__ import annotations

import os
import signal
import socket
import stat
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.promises.serving import CONCURRENT, RUN, Served, client_of, short_and_full

STREAMS = ["UnixStreamServer", *(f"{model.capitalize()}UnixStreamServer" for model in CONCURRENT)]


_BUSY: dict[str, object] = {"reclaim_path": True, "request_queue_size": 1}


def _served(name: str, path: Path) -> Served:
    run = RUN["forking"] if name.startswith("Forking") else "BackgroundServer"
    return Served(name, "Answer", run=run, address=str(path), attributes={"reclaim_path": True})


@short_and_full("times", 1, 20)
@pytest.mark.parametrize("name", STREAMS)
def test_r36_path_of_a_killed_one_is_taken_over(name: str, times: int, socket_dir: Path) -> None:
    path = socket_dir / "server"
    for _ in range(times):
        killed = _served(name, path).__enter__()
        assert _answer(path) == b"here"
        os.kill(killed.pid, signal.SIGKILL)
        with pytest.raises(AssertionError, match="ended with -9"):
            killed.close()
        assert stat.S_ISSOCK(path.lstat().st_mode)
        with _served(name, path):
            assert _answer(path) == b"here"


@pytest.mark.parametrize("name", STREAMS)
def test_r36_path_of_a_live_one_is_not(name: str, socket_dir: Path) -> None:
    path = socket_dir / "server"
    with Served("UnixStreamServer", "Stuck", address=str(path), attributes=_BUSY) as living:
        with ExitStack() as stack:
            # Its queue is full: a client that only looked whether somebody answers would be
            # refused.
            first = stack.enter_context(client_of(str(path)))
            first.sendall(b"?")
            assert first.recv(1) == b"!"
            waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            while waiting.connect_ex(str(path)) == 0:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
            before = path.lstat()
            with pytest.raises(AssertionError, match="Address already in use"):
                _served(name, path).__enter__()
            assert path.lstat().st_ino == before.st_ino
        living.ask("open_gate")
        living.ask("stop")
    assert not path.exists(), "it takes its own away"


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("kind", ["file", "link", "folder", "fifo", "foreign socket"])
def test_r36_other_files_are_never_removed(name: str, kind: str, socket_dir: Path) -> None:
    path = socket_dir / "server"
    other = socket_dir / "other"
    other.write_text("kept")
    with ExitStack() as stack:
        if kind == "file":
            path.write_text("kept")
        elif kind == "link":
            path.symlink_to(other)
        elif kind == "folder":
            path.mkdir()
        elif kind == "fifo":
            os.mkfifo(path)
        else:
            foreign = stack.enter_context(socket.socket(socket.AF_UNIX))
            foreign.bind(str(path))
        before = path.lstat()
        with pytest.raises(AssertionError, match="Address already in use"):
            _served(name, path).__enter__()
        after = path.lstat()
        assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert other.read_text() == "kept"


def _answer(path: Path) -> bytes:
    with client_of(str(path)) as client:
        client.sendall(b"here")
        return client.recv(9)
