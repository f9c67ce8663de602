"""Records of connections and requests, how a peer is written."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from sockcore.connections import Datagram
from sockcore.events import ClosedBy, Outcome
from sockcore.failures import Tracebacks
from sockcore.limits import Limits
from sockcore.peers import peer_label
from sockcore.tape import Tape
from tests.sockcore.records import datagrams, stream
from tests.sockcore.serving import wait_until


@pytest.mark.parametrize(
    ("address", "label"),
    [
        (("127.0.0.1", 50122), "127.0.0.1:50122"),
        (("::1", 50122, 0, 0), "[::1]:50122"),
        (("fe80::1%eth0", 1, 0, 2), "[fe80::1%eth0]:1"),
        ("/run/client.sock", "/run/client.sock"),
        ("/run/caf\u00e9", "/run/caf\u00e9"),
        ("/run/\udcff", "/run/\\xff"),
        (b"\0abstract", "@abstract"),
        (b"\0\xff", "@\\xff"),
        ("", "unnamed"),
        (None, "unnamed"),
    ],
)
def test_peer_is_written(address: Any, label: str) -> None:
    assert peer_label(address) == label


def test_local_peer_without_a_name_is_its_process() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert peer_label("", near) == f"pid {os.getpid()}"


def test_local_peer_with_a_name_is_that(socket_dir: Path) -> None:
    path = str(socket_dir / "s")
    with (
        socket.socket(socket.AF_UNIX) as listener,
        socket.socket(socket.AF_UNIX) as client,
    ):
        listener.bind(path)
        listener.listen()
        client.bind(path + "-client")
        client.connect(path)
        accepted, address = listener.accept()
        with accepted:
            assert peer_label(address, accepted) == path + "-client"


def test_closed_socket_has_no_process_to_tell() -> None:
    near, far = socket.socketpair()
    far.close()
    near.close()
    assert peer_label("", near) == "unnamed"


@pytest.mark.parametrize(
    ("ended_by", "cut"), [(None, False), ("panel", True), ("idle", True), ("stop", False)]
)
def test_cut_is_who_was_cut_by_hand_or_for_being_idle(
    ended_by: ClosedBy | None, cut: bool
) -> None:
    connection = stream()
    connection.ended_by = ended_by
    assert connection.is_cut is cut
    assert not datagrams().is_cut


def test_info_of_a_stream() -> None:
    near, far = socket.socketpair()
    with near, far:
        connection = stream(7, near)
        connection.thread = "process 7"
        connection.tape.note(True, b"x" * 40)
        connection.tape.note(False, b"answer")
        info = connection.info(time.monotonic_ns())
        assert (info.id, info.peer, info.thread) == (7, "127.0.0.1:4007", "process 7")
        assert (info.bytes_in, info.bytes_out) == (40, 6)
        assert info.last_bytes == b"x" * 32
        assert info.fileno == near.fileno()
        assert info.opened_us == connection.opened_us
    assert connection.info(time.monotonic_ns()).fileno is None


def test_thread_is_told_by_its_name_where_that_is_known() -> None:
    connection = stream()
    assert connection.info(0).thread is None
    connection.thread = 7
    assert connection.info(0, {7: "pool-1", 8: "pool-2"}).thread == "pool-1"
    assert connection.info(0, {8: "pool-2"}).thread == "thread 7"


def test_info_of_a_datagram_peer() -> None:
    peer = datagrams()
    peer.bytes_in, peer.bytes_out, peer.last_bytes = 3, 4, b"abc"
    info = peer.info(time.monotonic_ns())
    assert (info.bytes_in, info.bytes_out, info.last_bytes) == (3, 4, b"abc")
    assert info.fileno is None
    assert info.thread is None


def test_silence_is_counted_from_the_last_bytes() -> None:
    connection = stream()
    tape = connection.tape
    later = tape.began_ns + 5_000_000_000
    assert connection.info(later).idle_s == 5.0
    wait_until(lambda: time.monotonic_ns() > tape.began_ns, "a tick of the clock")
    tape.note(False, b"answer")
    assert connection.info(later).idle_s < 5.0
    assert connection.info(tape.last_ns - 1).idle_s == 0.0  # asked while bytes crossed


def test_shutting_what_is_gone_is_no_error() -> None:
    stream().shut(socket.SHUT_RDWR)
    datagrams().shut(socket.SHUT_RDWR)
    near, far = socket.socketpair()
    connection = stream(1, near)
    with far:
        connection.shut(socket.SHUT_WR)
        assert far.recv(1) == b""
        near.close()
        connection.shut(socket.SHUT_RDWR)
    del near
    connection.shut(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("ended_by", "reset", "error", "peer_ended", "verdict"),
    [
        (None, False, None, False, ("ok", "handler")),
        (None, False, None, True, ("ok", "client")),
        (None, False, "Traceback", True, ("error", "handler")),
        (None, True, None, True, ("reset", "client")),
        ("panel", False, "Traceback", True, ("disconnected", "panel")),
        ("panel", True, None, True, ("disconnected", "panel")),
        ("idle", False, None, True, ("idle", "idle")),
        ("stop", False, None, False, ("stopped", "stop")),
    ],
)
def test_verdict(
    ended_by: ClosedBy | None,
    reset: bool,
    error: str | None,
    peer_ended: bool,
    verdict: tuple[Outcome, ClosedBy],
) -> None:
    request = stream()
    request.ended_by, request.reset, request.error = ended_by, reset, error
    request.tape.peer_ended = peer_ended
    assert request.verdict() == verdict


def test_datagram_is_of_a_peer_which_is_no_request() -> None:
    peer = datagrams()
    assert Datagram(1, peer, Tape(Limits())).connection is peer
    assert peer.request is None


def test_the_end_of_a_long_traceback_is_kept() -> None:
    request = stream()
    try:
        raise ValueError("x" * 1_000_000 + " the cause")
    except ValueError as error:
        request.fail(error, Tracebacks())
    assert request.error is not None
    assert len(request.error) == 16 * 1024
    assert request.error.endswith(" the cause\n")
