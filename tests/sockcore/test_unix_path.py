"""The path of a local socket is reclaimed when it is ours and dead, and in no other case."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sockcore
from tests.sockcore.serving import ask
from tests.sockcore.watching import Echo, question, watched

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
import sockcore

class Server(getattr(sockcore, sys.argv[1])):
    reclaim_path = True

with Server(sys.argv[2], sockcore.BaseRequestHandler) as server:
    print("bound", flush=True)
    sys.stdin.read()
"""


class Stream(sockcore.ThreadingUnixStreamServer):
    reclaim_path = True


class Datagram(sockcore.ThreadingUnixDatagramServer):
    reclaim_path = True


each_kind = pytest.mark.parametrize("kind", [Stream, Datagram])


@contextmanager
def elsewhere(kind: type[sockcore.TCPServer], path: Path) -> Iterator[subprocess.Popen[str]]:
    """A server of this kind at the path, in a process of its own."""
    base = kind.__mro__[1].__name__
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, base, str(path)],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "bound\n"
        try:
            yield process
        finally:
            process.kill()


def killed(kind: type[sockcore.TCPServer], path: Path) -> None:
    with elsewhere(kind, path) as process:
        process.send_signal(signal.SIGKILL)
    assert path.is_socket()


def refused(kind: type[sockcore.TCPServer], path: Path) -> None:
    with pytest.raises(OSError, match=os.strerror(errno.EADDRINUSE)) as caught:
        kind(str(path), Echo)
    assert caught.value.errno == errno.EADDRINUSE


@each_kind
def test_r36_socket_of_a_killed_server_is_reclaimed(
    kind: type[sockcore.TCPServer], socket_dir: Path
) -> None:
    path = socket_dir / "s"
    killed(kind, path)
    name = "unix-datagram" if kind is Datagram else "unix"
    with watched(lambda: kind(str(path), Echo)) as w:
        if kind is Stream:
            assert question(w.server, name, socket_dir, b"again") == b"again"
        assert path.is_socket()
    assert list(socket_dir.iterdir()) == []


@each_kind
def test_r36_live_server_keeps_its_path(kind: type[sockcore.TCPServer], socket_dir: Path) -> None:
    path = socket_dir / "s"
    with elsewhere(kind, path):
        before = path.stat()
        refused(kind, path)
        assert os.path.samestat(before, path.stat())
    with kind(str(socket_dir / "t"), Echo) as server:  # also in one process
        refused(kind, socket_dir / "t")
        assert (socket_dir / "t").is_socket()
        assert server.fileno() >= 0


def test_r36_full_backlog_does_not_look_dead(socket_dir: Path) -> None:
    path = socket_dir / "s"

    class Full(Stream):
        request_queue_size = 0

    with Full(str(path), Echo):
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(str(path))
        refused(Stream, path)
        assert path.is_socket()
        for client in waiting:
            client.close()


@each_kind
def test_r36_what_is_no_socket_of_ours_stays(
    kind: type[sockcore.TCPServer], socket_dir: Path
) -> None:
    file, link, folder = socket_dir / "file", socket_dir / "link", socket_dir / "folder"
    file.write_text("precious")
    link.symlink_to(file)
    folder.mkdir()
    for path in (file, link, folder):
        refused(kind, path)
    assert file.read_text() == "precious"
    assert link.is_symlink()
    assert folder.is_dir()
    assert sorted(path.name for path in socket_dir.iterdir()) == ["file", "folder", "link"]


@pytest.mark.parametrize("alive", [True, False])
def test_socket_of_a_server_without_a_lock_stays(alive: bool, socket_dir: Path) -> None:
    path = socket_dir / "s"
    foreign = socket.socket(socket.AF_UNIX)
    with foreign:
        foreign.bind(str(path))
        foreign.listen()
        if not alive:
            foreign.close()
        refused(Stream, path)
        assert path.is_socket()


def test_socket_that_took_the_place_of_a_dead_one_stays(socket_dir: Path) -> None:
    path = socket_dir / "s"
    killed(Stream, path)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(path))
        foreign.listen()
        refused(Stream, path)
        assert path.is_socket()


def test_symlink_to_a_dead_socket_stays(socket_dir: Path) -> None:
    killed(Stream, socket_dir / "s")
    (socket_dir / "link").symlink_to(socket_dir / "s")
    refused(Stream, socket_dir / "link")
    assert (socket_dir / "link").is_symlink()
    assert (socket_dir / "s").is_socket()


@each_kind
def test_at_the_end_only_what_was_bound_is_removed(
    kind: type[sockcore.TCPServer], socket_dir: Path
) -> None:
    path = socket_dir / "s"
    with kind(str(path), Echo) as server:
        path.rename(socket_dir / "moved")
        path.write_text("another's")
        server.server_close()
        server.server_close()  # again: nothing
    assert path.read_text() == "another's"
    assert sorted(found.name for found in socket_dir.iterdir()) == ["moved", "s"]


def test_lock_that_is_a_symlink_is_not_followed(socket_dir: Path) -> None:
    target = socket_dir / "target"
    target.write_text("precious")
    (socket_dir / "s.lock").symlink_to(target)
    with pytest.raises(OSError, match="s.lock"):
        Stream(str(socket_dir / "s"), Echo)
    assert target.read_text() == "precious"
    assert not (socket_dir / "s").exists()


@pytest.mark.parametrize("name", [b"\0sockcore-abstract-%d", "\0sockcore-text-%d"])
def test_abstract_names_need_none_of_it(name: bytes | str, socket_dir: Path) -> None:
    with Stream(name % os.getpid(), Echo) as server:
        assert server.server_address == os.fsencode(name % os.getpid())
    assert list(socket_dir.iterdir()) == []


def test_bytes_are_a_path_too(socket_dir: Path) -> None:
    path = socket_dir / "s"
    killed(Stream, path)
    with watched(lambda: Stream(os.fsencode(path), Echo)) as w:
        assert ask(w.server.address, b"x", socket.AF_UNIX) == b"x"
    assert list(socket_dir.iterdir()) == []


def test_many_runs_follow_one_another(socket_dir: Path) -> None:
    for _ in range(20):
        with watched(lambda: Stream(str(socket_dir / "s"), Echo)) as w:
            assert ask(w.server.address, b"x", socket.AF_UNIX) == b"x"
    assert list(socket_dir.iterdir()) == []


def test_unless_asked_for_it_is_as_in_the_stdlib(socket_dir: Path) -> None:
    path = socket_dir / "s"
    assert not sockcore.UnixStreamServer.reclaim_path
    assert not sockcore.UnixDatagramServer.reclaim_path
    with sockcore.UnixStreamServer(str(path), Echo):
        assert [found.name for found in socket_dir.iterdir()] == ["s"]
    assert path.is_socket()
    refused(sockcore.UnixStreamServer, path)
