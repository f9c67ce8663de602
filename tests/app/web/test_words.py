"""Words and commands for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain import Count, RequestSummary
from app.log_facts import Gap, GapReason, LogStats
from app.web.words import again, behind, found, gap, largest

ROW = RequestSummary(
    id="20270115-1",
    server="echo",
    peer="127.0.0.1:1",
    connection_id=1,
    started_us=1_800_000_000_000_000,
    duration_us=1,
    bytes_in=0,
    bytes_out=0,
    outcome="ok",
    closed_by="client",
    error=None,
    preview=b"",
)


@pytest.mark.parametrize(
    ("transport", "address", "command"),
    [
        ("tcp", "127.0.0.1:9000", "nc -N 127.0.0.1 9000"),
        ("tcp", "0.0.0.0:9000", "nc -N 127.0.0.1 9000"),
        ("tcp", "[::]:9000", "nc -N ::1 9000"),
        ("udp", "[fe80::1]:9", "nc -u -w1 fe80::1 9"),
        ("unix", "/run/it's here", "nc -U '/run/it'\"'\"'s here'"),
        ("unix-datagram", "/run/s", "nc -uU /run/s"),
        ("unix", "@abstract", None),
        ("unix", "unnamed", None),
        ("", "", None),
        ("tcp", "nowhere", None),
    ],
)
def test_command_that_sends_again(transport: str, address: str, command: str | None) -> None:
    assert again(replace(ROW, transport=transport, address=address)) == command


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (Count(0, True), "0 requests"),
        (Count(1, True), "1 request"),
        (Count(1_904, True), "1,904 requests"),
        (Count(10_000, False), "10,000+ requests"),
        (Count(0, False), "counting took too long"),
    ],
)
def test_how_many_were_found(count: Count, words: str) -> None:
    assert found(count) == words


@pytest.mark.parametrize(
    ("reason", "missing", "lasted_us", "said"),
    [
        ("dropped", 1, 0, "1 request is missing. The queue of the log"),
        ("dropped", 1_904, 0, "1,904 requests are missing. The queue of the log"),
        ("no_room", 2, 0, "2 requests are missing. The disk had no room"),
        ("failed", 2, 0, "2 requests are missing. The log could not be written"),
        ("unclean", None, 0, "Sockpit ended before it had written everything"),
        ("stalled", None, 30_000_000, "Sockpit stood still for 30.0 s"),
        ("clock_step", 0, 86_400_000_000, "The clock was set forward by 1 d 00:00. Nothing"),
        ("clock_step", 0, -3_600_000_000, "The clock was set back by 01:00:00. Nothing"),
    ],
)
def test_what_is_missing_is_said_with_its_cause(
    reason: GapReason, missing: int | None, lasted_us: int, said: str
) -> None:
    began_us = 1_800_000_000_000_000
    ended_us = began_us + lasted_us
    hole = Gap(reason=reason, began_us=began_us, ended_us=ended_us, missing=missing)
    assert gap(hole).startswith(said)


def test_the_log_is_behind_once_a_request_waits_for_a_second() -> None:
    stats = LogStats(received=9, stored=4, dropped=0, pending=5, writer_lag_ms=999, state="ok")
    assert behind(stats) == 0
    assert behind(replace(stats, writer_lag_ms=1_000)) == 5


def test_of_many_servers_those_with_most_requests_are_named() -> None:
    servers = {f"s{number}": number % 5 for number in range(20)}
    named = largest(servers)
    assert named[:3] == [("s14", 4), ("s19", 4), ("s4", 4)]
    assert len(named) == 8
