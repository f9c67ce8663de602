"""Words and commands for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain import Count, RequestSummary
from app.web.words import again, found

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
