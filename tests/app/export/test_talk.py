from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain import Payload, RequestDetail, TapeChunk
from app.export.pcapng import encode
from tests.app.export.capture import Captured, packets
from tests.app.export.samples import NOON_US, Said, request

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = ("127.0.0.1", 50122), ("127.0.0.1", 50900)


def played(detail: RequestDetail) -> list[Captured]:
    return packets(b"".join(encode([detail])))


def steps(detail: RequestDetail) -> list[tuple[str, int, int, int, int]]:
    """Who, flags, relative seq and ack, bytes: of each packet of a stream."""
    talk = played(detail)
    first = {True: talk[0].seq, False: talk[1].seq}
    found = []
    for packet in talk:
        inbound = packet.source == CLIENT
        seq = (packet.seq - first[inbound]) % 2**32
        ack = (packet.ack - first[not inbound]) % 2**32 if packet.flags & ACK else 0
        found.append(("C" if inbound else "S", packet.flags, seq, ack, len(packet.data)))
    return found


HANDSHAKE = [("C", SYN, 0, 0, 0), ("S", SYN | ACK, 0, 1, 0), ("C", ACK, 1, 1, 0)]


def test_a_stream_is_a_whole_tcp_conversation() -> None:
    assert steps(request(1, [(True, b"abc"), (False, b"x" * 3000)])) == [
        *HANDSHAKE,
        ("C", PSH | ACK, 1, 1, 3),
        ("S", ACK, 1, 4, 0),
        ("S", ACK, 1, 4, 1460),
        ("S", ACK, 1461, 4, 1460),
        ("S", PSH | ACK, 2921, 4, 80),
        ("C", ACK, 4, 3001, 0),
        ("C", FIN | ACK, 4, 3001, 0),
        ("S", FIN | ACK, 3001, 5, 0),
        ("C", ACK, 5, 3002, 0),
    ]


def test_a_stream_that_the_server_ended_has_its_fin_first() -> None:
    assert steps(request(1, closed_by="handler"))[3:] == [
        ("S", FIN | ACK, 1, 1, 0),
        ("C", FIN | ACK, 1, 2, 0),
        ("S", ACK, 2, 2, 0),
    ]


@pytest.mark.parametrize(
    ("outcome", "end"), [("open", []), ("lost", []), ("reset", [("C", RST | ACK, 1, 1, 0)])]
)
def test_a_stream_ends_as_far_as_is_known(
    outcome: str, end: list[tuple[str, int, int, int, int]]
) -> None:
    assert steps(request(1, outcome=outcome)) == [*HANDSHAKE, *end]


def test_sequence_numbers_go_on_by_what_was_not_kept() -> None:
    said: Said = [(True, b"a" * 10), (False, b"b"), (True, b"c" * 5)]
    detail = request(1, said, kept=4)
    assert steps(detail)[3:] == [
        ("C", PSH | ACK, 1, 1, 4),
        ("S", ACK, 1, 11, 0),
        ("S", PSH | ACK, 1, 11, 1),
        ("C", ACK, 11, 2, 0),
        ("S", ACK, 2, 16, 0),
        ("C", FIN | ACK, 16, 2, 0),
        ("S", FIN | ACK, 2, 17, 0),
        ("C", ACK, 17, 3, 0),
    ]
    assert [packet.comment for packet in played(detail) if packet.comment] == [
        "request 20260314-1 of hall: ok",
        "6 bytes from the client were not kept",
        "5 bytes from the client were not kept",
    ]


def test_what_crossed_after_the_tape_is_missing_too() -> None:
    detail = request(1, [(True, b"ab")], outcome="open")
    detail = replace(detail, received=Payload(b"ab", 7, ""), sent=Payload(b"", 3, ""))
    assert steps(detail)[3:] == [
        ("C", PSH | ACK, 1, 1, 2),
        ("S", ACK, 1, 3, 0),
        ("S", ACK, 1, 8, 0),
        ("C", ACK, 8, 4, 0),
    ]


def test_time_is_that_of_the_tape_and_never_runs_back() -> None:
    detail = request(1, [(True, b"a"), (False, b"b"), (True, b"c")], duration_us=150)
    tape = (detail.tape[0], replace(detail.tape[1], offset_us=200), detail.tape[2])
    detail = replace(detail, tape=(*tape[:2], replace(tape[2], offset_us=190)))
    start = NOON_US + 1_000_000
    assert [packet.at_us - start for packet in played(detail)] == [0] * 5 + [200] * 7


def test_requests_of_one_port_begin_at_numbers_of_their_own() -> None:
    first = {played(request(number))[0].seq for number in range(50)}
    assert len(first) == 50


def test_a_datagram_is_a_packet_each() -> None:
    detail = request(1, [(True, b"a" * 5000), (False, b""), (False, b"\0")], transport="udp")
    talk = played(detail)
    assert [(packet.source, packet.target, packet.data) for packet in talk] == [
        (CLIENT, SERVER, b"a" * 5000),
        (SERVER, CLIENT, b""),
        (SERVER, CLIENT, b"\0"),
    ]
    assert [packet.at_us - talk[0].at_us for packet in talk] == [0, 100, 200]


def test_an_empty_datagram_is_a_packet_and_its_answer_follows() -> None:
    talk = played(request(1, [(False, b"pong")], transport="unix-datagram", peer="unnamed"))
    assert [packet.data for packet in talk] == [b"", b"pong"]
    assert talk[0].source == talk[1].target == ("127.0.0.2", 49_153)


def test_a_datagram_of_which_some_was_kept_is_cut() -> None:
    detail = request(1, [(True, b"a" * 900), (False, b"b")], kept=64, transport="udp")
    talk = played(detail)
    assert [(packet.data, packet.missing) for packet in talk] == [(b"a" * 64, 836), (b"b", 0)]
    assert talk[0].comment.endswith("ok; 836 bytes from the client were not kept")


def test_a_datagram_too_long_for_udp_is_several() -> None:
    detail = request(1, [(True, b"a" * 131_072)], kept=65_536, transport="unix-datagram")
    talk = played(detail)
    assert [(len(packet.data), packet.missing) for packet in talk] == [(65_507, 0), (29, 65_478)]
    assert "65536 bytes from the client were not kept" in talk[0].comment


def test_a_datagram_s_packets_are_bounded_whatever_its_length() -> None:
    detail = request(1, [(True, b"a")], transport="udp")
    tape = (*detail.tape, TapeChunk(False, 5, 2**62, b""))
    talk = played(replace(detail, tape=tape))
    assert [packet.missing for packet in talk] == [0, 65_507]
    assert talk[1].comment == f"{2**62} bytes from the server were not kept"


def test_a_datagram_that_lost_its_end_says_so() -> None:
    (packet,) = played(request(1, [(True, b"a")], transport="udp", truncated=True))
    assert packet.comment.endswith("its datagram was longer than the server takes")


def test_old_rows_are_streams() -> None:
    talk = played(request(1, [(True, b"a")], transport="", address=""))
    assert (talk[0].protocol, talk[0].flags, talk[0].source) == (6, SYN, CLIENT)
