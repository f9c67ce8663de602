from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.export.packets import ACK, PSH, SYN, Endpoint, Way
from tests.app.export.capture import words

HOSTS = [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")]

hosts = st.sampled_from(HOSTS)
data = st.binary(max_size=60)
numbers = st.integers(0, 2**34)


def way(hosts: tuple[str, str], *, from_client: bool = True) -> Way:
    source, target = (Endpoint(ip_address(host), 258 + n) for n, host in enumerate(hosts))
    return Way(source, target, from_client=from_client)


def summed(frame: bytes, protocol: int) -> int:
    """The sum over what the checksum of the segment in `frame` is of."""
    start, addresses = (34, frame[26:34]) if frame[12:14] == b"\x08\x00" else (54, frame[22:54])
    segment = frame[start:]
    return words(
        addresses + len(segment).to_bytes(4, "big") + bytes([0, 0, 0, protocol]) + segment
    )


@given(hosts, numbers, numbers, data)
def test_tcp_and_ip_checksums_are_right(
    hosts: tuple[str, str], seq: int, ack: int, data: bytes
) -> None:
    frame = way(hosts).tcp(seq, ack, ACK | PSH, data)
    assert summed(frame, 6) == 0xFFFF
    assert ":" in hosts[0] or words(frame[14:34]) == 0xFFFF
    assert frame.endswith(data)


@given(hosts, data)
def test_udp_checksum_is_right_and_never_says_none(hosts: tuple[str, str], data: bytes) -> None:
    frame = way(hosts).udp(data, len(data))
    assert summed(frame, 17) == 0xFFFF
    assert frame[-len(data) - 2 : len(frame) - len(data)] != b"\0\0"


def test_a_sum_of_nothing_is_written_as_each_protocol_wants_it() -> None:
    """One pair of bytes in 65,536 brings the sum to 0: TCP writes 0 then, UDP 0xffff."""
    pairs = [number.to_bytes(2, "big") for number in range(2**16)]
    one = way(HOSTS[0])
    assert [one.tcp(1, 1, ACK, pair)[50:52] for pair in pairs].count(b"\0\0") == 1
    assert b"\0\0" not in [one.udp(pair, 2)[40:42] for pair in pairs]


@pytest.mark.parametrize(
    ("hosts", "header", "segment"), [(HOSTS[0], 34, 1460), (HOSTS[1], 54, 1440)]
)
def test_a_segment_fills_a_frame(hosts: tuple[str, str], header: int, segment: int) -> None:
    one = way(hosts)
    assert one.segment_bytes == segment
    assert len(one.tcp(0, 0, ACK, bytes(segment))) == 1514
    assert one.tcp(0, 0, SYN)[header + 20 :] == bytes.fromhex(f"0204{segment:04x}0103030e")


def test_an_ipv4_frame_is_this() -> None:
    frame = way(HOSTS[0]).udp(b"hi", 2)
    assert frame.hex(" ") == (
        "02 00 00 00 00 01 02 00 00 00 00 02 08 00 "
        "45 00 00 1e 00 00 40 00 40 11 b6 cb c0 00 02 01 c0 00 02 02 "
        "01 02 01 03 00 0a 11 68 68 69"
    )


def test_the_server_s_frames_come_from_its_mac() -> None:
    assert way(HOSTS[0], from_client=False).udp(b"", 0)[:12].hex() == "020000000002020000000001"


@pytest.mark.parametrize("hosts", HOSTS)
def test_a_cut_datagram_says_its_true_length(hosts: tuple[str, str]) -> None:
    frame = way(hosts).udp(b"abc", 1000)
    start = 54 if ":" in hosts[0] else 34
    assert frame[start + 4 : start + 6] == (1008).to_bytes(2, "big")
    assert frame[start + 8 :] == b"abc"
    total = (1008 if ":" in hosts[0] else 1028).to_bytes(2, "big")
    assert frame[18 if ":" in hosts[0] else 16 :][:2] == total
