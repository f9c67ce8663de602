"""What Wireshark itself makes of an exported capture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.domain import RequestDetail
from app.export.pcapng import encode
from tests.app.export.samples import Said, payload, request
from tests.app.export.wireshark import complaints, conversations, tshark

Capture = Callable[..., Path]

ASKED = b"GET\0\0\r\n" + bytes(range(256))
ANSWERED = b"\xff\0ok" * 700
TALK: Said = [(True, ASKED), (False, ANSWERED), (True, b"more\0"), (False, b"\0"), (True, b"bye")]
#: 200 KiB each way, in chunks of many sizes.
LONG: Said = [
    (number % 2 == 0, bytes([number]) * (1 + 97 * number % 4000)) for number in range(205)
]
GREETED: Said = [(False, b"hello first\0"), (True, b"\0")]
V6: dict[str, Any] = {"peer": "[2001:db8::7]:50122", "address": "[2001:db8::1]:50900"}
UNIX: dict[str, Any] = {"peer": "pid 4242", "address": "/run/sockpit/hall"}

# What is remarked of connections that end, and of a port that is used again.
ENDS = {
    "This frame initiates the connection closing",
    "This frame undergoes the connection closing",
}
AGAIN = "A new tcp session is started with the same ports as an earlier session in this trace"


@pytest.fixture
def capture(tmp_path: Path) -> Capture:
    def write(*log: RequestDetail) -> Path:
        path = tmp_path / "log.pcapng"
        path.write_bytes(b"".join(encode(log)))
        return path

    return write


def sides(said: Said) -> tuple[bytes, bytes]:
    return payload(said, True, None).prefix, payload(said, False, None).prefix


def test_streams_are_followed_byte_for_byte(capture: Capture) -> None:
    path = capture(
        request(1, TALK),
        request(2, LONG, peer="127.0.0.1:50123"),
        request(3, TALK, **V6),
        request(4, TALK, transport="unix", **UNIX),
        request(5, LONG, transport="unix", **UNIX),
        request(6, [], peer="127.0.0.1:50124"),
        request(7, TALK, transport="", peer="somebody", address=""),
        request(8, GREETED, peer="127.0.0.1:50125"),
    )
    assert sum(map(len, sides(LONG))) > 200 * 1024
    followed = conversations(path, "tcp", 8)
    said: list[Said] = [TALK, LONG, TALK, TALK, LONG, [], TALK, GREETED]
    assert followed == [sides(each) for each in said]
    assert complaints(path) <= ENDS


def test_datagrams_are_followed_byte_for_byte(capture: Capture) -> None:
    longest: Said = [(True, bytes(65_507)), (False, b"\xff" * 65_507)]
    path = capture(
        request(1, TALK, transport="udp"),
        request(2, LONG, transport="udp", peer="127.0.0.1:50123"),
        request(3, TALK, transport="udp", **V6),
        request(4, TALK, transport="unix-datagram", **UNIX),
        request(5, longest, transport="udp", peer="127.0.0.1:50124"),
        request(6, longest, transport="udp", **{**V6, "peer": "[2001:db8::7]:50123"}),
        request(7, [(True, b"x\0y" * 40_000)], transport="unix-datagram", **UNIX),
    )
    followed = conversations(path, "udp", 7)
    said = (TALK, LONG, TALK, TALK, longest, longest, [(True, b"x\0y" * 40_000)])
    assert followed == [sides(each) for each in said]
    assert complaints(path) == set()


def test_requests_from_one_port_are_streams_of_their_own(capture: Capture) -> None:
    log = [request(number, [(True, b"one"), (False, bytes([number]))]) for number in range(1, 5)]
    path = capture(*log)
    followed = conversations(path, "tcp", 4)
    assert followed == [(b"one", bytes([number])) for number in range(1, 5)]
    assert complaints(path) == {*ENDS, AGAIN}


def test_a_request_has_its_comment_and_its_times(capture: Capture) -> None:
    path = capture(request(1, TALK), request(2, TALK, transport="udp", server="hälle"))
    fields = tshark(
        path, "-T", "fields", "-e", "frame.time_epoch", "-e", "tcp.len", "-e", "frame.comment"
    )
    rows = [line.split("\t") for line in fields.splitlines()]
    assert [row[2] for row in rows if row[2]] == [
        "request 20260314-1 of hall: ok",
        "request 20260314-2 of hälle: ok",
    ]
    moments = [row[0] for row in rows if row[1] not in ("", "0")]
    assert moments[0] == "1773489601.000000000"
    assert sorted({float(moment) % 1 for moment in moments}) == pytest.approx(
        [0, 0.0001, 0.0002, 0.0003, 0.0004], abs=1e-6
    )


def test_an_empty_log_is_an_empty_capture(capture: Capture) -> None:
    assert tshark(capture()) == ""


def test_an_empty_datagram_is_seen(capture: Capture) -> None:
    path = capture(request(1, [], transport="udp"), request(2, [], transport="unix-datagram"))
    assert tshark(path, "-T", "fields", "-e", "udp.length").split() == ["8", "8"]
    assert complaints(path) == set()


def test_bytes_that_were_not_kept_are_seen_to_be_missing(capture: Capture) -> None:
    said: Said = [(True, b"a" * 5000), (False, b"b" * 900), (True, b"c" * 4000)]
    path = capture(request(1, said, kept=4096))
    assert complaints(path) == {
        *ENDS,
        "ACKed segment that wasn't captured (common at capture start)",
        "Previous segment(s) not captured (common at capture start)",
    }
    (followed,) = conversations(path, "tcp", 1)
    assert followed[0].startswith(b"a" * 4096)
    assert followed[1] == b"b" * 900


def test_a_cut_datagram_keeps_its_length_and_is_not_malformed(capture: Capture) -> None:
    said: Said = [(True, b"a" * 5000), (False, b"b" * 9000)]
    path = capture(
        *(request(1, said, kept=4096, transport="udp"),),
        *(request(2, said, kept=4096, transport="udp", **V6),),
    )
    assert tshark(path, "-T", "fields", "-e", "udp.length").split() == ["5008", "9008"] * 2
    assert tshark(path, "-Y", "_ws.malformed || udp.checksum.bad") == ""
    assert conversations(path, "udp", 2) == [(b"a" * 4096, b"b" * 4096)] * 2


def test_gaps_of_gigabytes_stay_ahead(capture: Capture) -> None:
    detail = request(1, [(True, b"start"), (True, b"x"), (False, b"y"), (True, b"z")])
    tape = [detail.tape[0]]
    tape += [replace(chunk, size=3 * 2**30, data=b"") for chunk in detail.tape[1:]]
    path = capture(replace(detail, tape=tuple(tape)))
    numbers = tshark(path, "-T", "fields", "-e", "tcp.seq", "-Y", "tcp.flags.fin == 1").split()
    assert numbers == [str(2**30 + 6), str(2**30 + 1)]
    assert not [words for words in complaints(path) if "retransmission" in words.lower()]
    assert "3221225472 bytes from the server were not kept" in tshark(
        path, "-T", "fields", "-e", "frame.comment"
    )


def test_a_reset_is_seen(capture: Capture) -> None:
    path = capture(request(1, TALK, outcome="reset"))
    assert complaints(path) == {"Connection reset (RST)"}
    assert conversations(path, "tcp", 1) == [sides(TALK)]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_wrong_checksum_would_be_remarked(capture: Capture, transport: str) -> None:
    path = capture(request(1, [(True, b"as it was")], transport=transport))
    path.write_bytes(path.read_bytes().replace(b"as it was", b"as it is "))
    assert [words for words in complaints(path) if words.startswith("Bad checksum")]
