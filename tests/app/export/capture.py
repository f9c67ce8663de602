"""A small reader of captures, for tests: shares nothing with what writes them."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Captured:
    """One packet, taken apart. Of UDP, `seq` to `flags` are 0."""

    at_us: int
    from_client: bool  # as the MAC addresses say
    source: tuple[str, int]
    target: tuple[str, int]
    protocol: int
    seq: int
    ack: int
    flags: int
    data: bytes
    missing: int  # bytes that are not in the file
    comment: str


def blocks(capture: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of each."""
    at = 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        assert length % 4 == 0
        assert length >= 12
        assert struct.unpack_from("<I", capture, at + length - 4) == (length,)
        yield kind, capture[at + 8 : at + length - 4]
        at += length
    assert at == len(capture)


def options(data: bytes) -> dict[int, bytes]:
    found = {}
    while data:
        code, length = struct.unpack_from("<HH", data)
        if code == 0:
            assert data == bytes(4)
            break
        found[code] = data[4 : 4 + length]
        data = data[4 + (length + 3) // 4 * 4 :]
    return found


def packets(capture: bytes) -> list[Captured]:
    """The packets of a capture of one section and one Ethernet interface, checked throughout."""
    (section, head), (interface, link), *rest = blocks(capture)
    assert (section, interface) == (0x0A0D0D0A, 1)
    assert struct.unpack_from("<IHHq", head) == (0x1A2B3C4D, 1, 0, -1)
    assert struct.unpack_from("<HH", link) == (1, 0)
    assert options(link[8:])[9] == b"\x06"
    return [_packet(kind, body) for kind, body in rest]


def _packet(kind: int, body: bytes) -> Captured:
    assert kind == 6
    number, high, low, kept, size = struct.unpack_from("<IIIII", body)
    assert number == 0
    frame = body[20 : 20 + kept]
    comment = options(body[20 + (kept + 3) // 4 * 4 :]).get(1, b"").decode()
    return _frame(frame, size, high << 32 | low, comment)


def _frame(frame: bytes, size: int, at_us: int, comment: str) -> Captured:
    kind, packet = frame[12:14], frame[14:]
    if kind == b"\x08\x00":
        assert packet[0] == 0x45
        assert words(packet[:20]) == 0xFFFF
        length, protocol, start = struct.unpack_from(">H", packet, 2)[0], packet[9], 20
        hosts = packet[12:16], packet[16:20]
    else:
        assert kind == b"\x86\xdd"
        length, protocol, start = struct.unpack_from(">H", packet, 4)[0] + 40, packet[6], 40
        hosts = packet[8:24], packet[24:40]
    assert size == 14 + length
    missing = size - len(frame)
    inner = packet[start:]
    pseudo = b"".join(hosts) + struct.pack(">II", length - start, protocol)
    assert missing or words(pseudo + inner) == 0xFFFF
    ports = struct.unpack_from(">HH", inner)
    seq = ack = flags = 0
    if protocol == 6:
        seq, ack, offset, flags = struct.unpack_from(">IIBB", inner, 4)
        data = inner[offset >> 2 :]
    else:
        assert protocol == 17
        assert struct.unpack_from(">H", inner, 4) == (len(inner) + missing,)
        assert inner[6:8] != b"\0\0"
        data = inner[8:]
    source, target = ((str(ipaddress.ip_address(h)), p) for h, p in zip(hosts, ports, strict=True))
    assert frame[:12].hex() in ("020000000001020000000002", "020000000002020000000001")
    inbound = frame[11] == 2
    return Captured(
        at_us, inbound, source, target, protocol, seq, ack, flags, data, missing, comment
    )


def words(data: bytes) -> int:
    """The ones' complement sum, word by word: 0xffff of what has a right checksum."""
    total = 0
    for (word,) in struct.iter_unpack(">H", data + bytes(len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total
