"""Which requests a search means, on requests made by hand."""

from __future__ import annotations

import pytest

from app.domain import Payload, RequestDetail, RequestSummary
from app.search.line import parse
from app.search.match import matches

#: 2026-11-23T10:00:00Z, a minute after the request started.
NOW_US = 1_795_428_000_000_000


def request(
    received: bytes = b"",
    sent: bytes = b"",
    *,
    transport: str = "tcp",
    outcome: str = "ok",
    duration_us: int = 100_000,
    past_kept: int = 0,
) -> RequestDetail:
    """A request of the server `clock`. `past_kept`: bytes received that were not kept."""
    summary = RequestSummary(
        id="20261123-1",
        server="clock",
        peer="10.0.0.7:50122",
        connection_id=1,
        started_us=NOW_US - 60_000_000,
        duration_us=duration_us,
        bytes_in=len(received) + past_kept,
        bytes_out=len(sent),
        outcome=outcome,
        closed_by="client",
        error=None,
        preview=received[:64],
        transport=transport,
    )
    return RequestDetail(
        summary=summary,
        traceback=None,
        received=Payload(received, len(received) + past_kept, ""),
        sent=Payload(sent, len(sent), ""),
        tape=(),
    )


def meant(line: str, detail: RequestDetail) -> bool:
    return matches(parse(line), detail, NOW_US)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", True),
        ("server:clock", True),
        ("server:Clock", False),
        ("server:cloc", False),
        ("-server:clock", False),
        ("-server:echo", True),
        ("server:echo server:clock", True),
        ("server:echo server:hall", False),
        ("server:echo server:clock -server:clock", False),
        ("peer:10.0.", True),
        ("peer:10.0.0.7:50122", True),
        ("peer:0.0", False),
        ("-peer:10.", False),
        ("peer:192. peer:10.", True),
        ("kind:tcp", True),
        ("kind:udp", False),
        ("kind:udp kind:tcp", True),
        ("-kind:tcp", False),
        ("outcome:ok", True),
        ("outcome:error outcome:lost", False),
        ("-outcome:error", True),
        ("server:clock kind:udp", False),
        ("size:=8", True),
        ("size:8", True),
        ("size:>8", False),
        ("size:>=8", True),
        ("size:<8", False),
        ("size:<=8", True),
        ("size:>1 size:<8", False),
        ("took:>100ms", False),
        ("took:>=100ms", True),
        ("took:<0.2s took:>50000us", True),
        ("after:-2m", True),
        ("after:-60s", True),
        ("after:-59s", False),
        ("before:-59s", True),
        ("before:-60s", False),
        ("after:2026-11-23T09:59 before:2026-11-23T10:00", True),
        ("after:2026-11-23T10:00", False),
        ("before:2026-11-23T09:59", False),
        ("before:2026-11-23T09:59:00.000001", True),
        ("dir:in", True),
        ("dir:out", True),
    ],
)
def test_facts_of_a_request(line: str, expected: bool) -> None:
    assert meant(line, request(b"hello", b"bye")) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ping", True),
        ("PING", True),
        ("pong", True),
        ("pingpong", False),  # never one direction joined to the other
        ("dir:in ping", True),
        ("dir:out ping", False),
        ("dir:in pong", False),
        ("dir:out pong", True),
        ("ping pong", True),
        ("dir:in ping pong", False),
        ("-ping", False),
        ("-pong", False),
        ("-pang", True),
        ("dir:out -ping", True),
        ("dir:in -ping", False),
        ("ping -pang", True),
        ("ping -pong", False),
        ("hex:50696e67", True),  # Ping
        ("hex:70696e67", False),  # ping
        ("-hex:70696e67", True),
        ("dir:out hex:50696e67", False),
    ],
)
def test_texts_and_bytes_of_either_direction(line: str, expected: bool) -> None:
    assert meant(line, request(b"Ping", b"poNg")) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("時鐘", True),
        ("鐘響", False),
        ("現在時鐘", True),
        ("École", True),
        ("ÉCOLE", True),
        ("école", False),  # A to Z are folded, É is not
        ("KELVIN", True),
        ('"kelvin k"', False),  # nor is the sign for kelvin, which str.lower() makes a k
        ('"KELVIN \u212a"', True),
        ("straße", True),
        ("STRASSE", False),
    ],
)
def test_only_a_to_z_are_folded(line: str, expected: bool) -> None:
    received = "現在時鐘 École kelvin \u212a Straße".encode()
    assert meant(line, request(received)) is expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hex:00", True),
        ("hex:0d0a00", True),
        ('hex:"00 ff fe"', True),
        ("hex:0000", False),
        ("after", True),
        ("hex:c3", False),  # bytes in the middle of a character are bytes like any
        ("hex:ff", True),
    ],
)
def test_bytes_that_are_no_text(line: str, expected: bool) -> None:
    assert meant(line, request(b"\r\n\0\xff\xfeAfter")) is expected


def test_a_direction_alone_asks_for_bytes_that_way() -> None:
    assert not meant("dir:in", request(b"", b"time"))
    assert meant("dir:out", request(b"", b"time"))
    assert not meant("dir:out", request(b"hello"))
    assert meant("dir:in", request(b"", past_kept=5))


def test_only_kept_bytes_are_looked_at_and_all_are_counted() -> None:
    detail = request(b"kept", past_kept=2_000)
    assert meant("size:>2000 kept", detail)
    assert not meant("lost", detail)


def test_a_row_from_before_the_kind_was_kept_is_of_no_kind() -> None:
    old = request(transport="")
    assert not meant("kind:tcp", old)
    assert meant("-kind:tcp", old)
