"""Requests that child processes answer, watched: what is told of them is what any server tells."""

from __future__ import annotations

import hashlib
import os
import socket
import struct

import pytest

from sockcore import HandlerOverdue, Limits, RequestFinished
from tests.sockcore.hosts import ask, connected, serving
from tests.waiting import equal, eventually

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

FORKING = "ForkingTCPServer"


def test_what_crosses_is_on_the_tape_of_the_parent() -> None:
    with serving(FORKING) as (server, heard):
        with connected(server) as client:
            ask(client, b"one\n")
            ask(client, b"two\n")
        (end,) = heard.wait_for(RequestFinished)
    assert (end.outcome, end.closed_by) == ("ok", "client")
    assert end.received.prefix == end.sent.prefix == b"one\ntwo\n"
    assert end.received.sha256 == hashlib.sha256(b"one\ntwo\n").digest()
    assert [(chunk.inbound, chunk.size) for chunk in end.chunks] == [
        *((True, 4), (False, 4), (True, 4), (False, 4))
    ]
    times = [chunk.offset_us for chunk in end.chunks]
    assert times == sorted(times)
    assert times[-1] <= end.duration_us


def test_of_what_is_long_a_prefix_is_kept_and_all_is_counted() -> None:
    line = b"x" * 300_000 + b"\n"
    with serving(FORKING, limits=Limits(tape_bytes=1000)) as (server, heard):
        with connected(server) as client:
            client.sendall(line)
            client.shutdown(socket.SHUT_WR)
            assert b"".join(iter(lambda: client.recv(65536), b"")) == line
        (end,) = heard.wait_for(RequestFinished)
        equal(lambda: server.totals().bytes_in, len(line))
        equal(lambda: server.totals().bytes_out, len(line))
    for way in (end.received, end.sent):
        assert (way.prefix, way.total) == (line[:1000], len(line))
        assert way.sha256 == hashlib.sha256(line).digest()


def test_who_is_connected_is_shown_with_its_process() -> None:
    with serving(FORKING) as (server, _), connected(server) as client:
        answering = int(ask(client, b"pid\n"))
        equal(lambda: [one.bytes_in for one in server.connections()], [4])
        (shown,) = server.connections()
        assert shown.thread == f"process {answering}"
        assert shown.peer == "{}:{}".format(*client.getsockname())
        assert shown.last_bytes == b"pid\n"
        assert shown.fileno is not None


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"raise\n", "ValueError: as asked\n"),
        (b"die\n", "its process left with exit status 3, amid the request"),
        (b"kill\n", "its process was killed by SIGKILL"),
    ],
)
def test_how_a_child_fails_is_told(line: bytes, error: str) -> None:
    with serving(FORKING) as (server, heard), connected(server) as client:
        client.sendall(line)
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.closed_by) == ("error", "handler")
        assert end.error is not None
        assert end.error.endswith(error)
        assert end.received.prefix == line
        equal(lambda: server.totals().errors_total, 1)
        with connected(server) as next_one:  # which is served as ever
            assert ask(next_one, b"on\n") == b"on\n"


def test_a_child_that_leaves_content_is_no_error() -> None:
    with serving(FORKING) as (server, heard), connected(server) as client:
        client.sendall(b"leave\n")
        assert heard.wait_for(RequestFinished)[0].outcome == "ok"
        assert client.recv(1) == b""


def test_a_client_that_breaks_off_is_no_fault_of_the_handler() -> None:
    with serving(FORKING) as (server, heard):
        with connected(server) as client:
            ask(client, b"a\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (end,) = heard.wait_for(RequestFinished)
    assert (end.outcome, end.closed_by, end.error) == ("reset", "client", None)


def test_the_end_does_not_wait_for_what_the_child_started() -> None:
    """It holds all that the child held: the connection, and the channel to the host."""
    with serving(FORKING) as (server, heard), connected(server) as client:
        started = int(ask(client, b"fork\n"))
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
        assert heard.wait_for(RequestFinished)[0].outcome == "ok"
        os.kill(started, 0)  # is there still


def test_one_of_many_is_cut_by_hand() -> None:
    with serving(FORKING) as (server, heard), connected(server) as kept, connected(server) as cut:
        for client in (kept, cut):
            ask(client, b"a\n")
        peer = "{}:{}".format(*cut.getsockname())
        shown = eventually(lambda: [one for one in server.connections() if one.peer == peer])
        assert server.disconnect(shown[0].id)
        assert cut.recv(1) == b""
        (end,) = heard.wait_for(RequestFinished)
        assert (end.peer, end.outcome) == (peer, "disconnected")
        assert ask(kept, b"b\n") == b"b\n"


def test_a_handler_that_is_away_for_long_is_told_of() -> None:
    limits = Limits(handler_timeout_s=0.2)
    with (
        serving(FORKING, limits=limits) as (server, heard),
        connected(server) as reading,
        connected(server) as busy,
    ):
        ask(reading, b"a\n")  # waits for the client from now on, as it may
        busy.sendall(b"burn\n")
        (overdue,) = heard.wait_for(HandlerOverdue)
        assert overdue.peer == "{}:{}".format(*busy.getsockname())
        assert overdue.busy_s >= 0.2
        assert server.totals().overdue_total <= 1


def test_a_client_that_does_not_read_is_cut() -> None:
    limits = Limits(send_timeout_s=0.3)
    with serving(FORKING, limits=limits) as (server, heard), connected(server) as client:
        client.sendall(b"flood\n")
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.closed_by) == ("unread", "unread")
        assert 0 < end.sent.total < 10_000_000


def test_datagrams_are_told_with_their_answers() -> None:
    with (
        serving("ForkingUDPServer", "Upper") as (server, heard),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.settimeout(20)
        for word in (b"one", b"two"):
            peer.sendto(word, server.address)
            assert peer.recv(10) == word.upper()
        ends = heard.wait_for(RequestFinished, 2)
        # An answer is out before its child has ended, and children end in any order.
        told = {end.received.prefix: end.sent.prefix for end in ends}
        assert told == {b"one": b"ONE", b"two": b"TWO"}
        assert {end.outcome for end in ends} == {"ok"}
        equal(lambda: server.totals().bytes_out, 6)
        (shown,) = eventually(server.connections)
        assert (shown.bytes_in, shown.bytes_out) == (6, 6)


def test_a_datagram_that_kills_its_child_is_told() -> None:
    with (
        serving("ForkingUDPServer", "Upper") as (server, heard),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.sendto(b"kill", server.address)
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.error) == ("error", "its process was killed by SIGKILL")
