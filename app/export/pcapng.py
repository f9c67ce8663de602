"""The request log as a capture that Wireshark opens (pcapng): one interface, made-up packets.

Knows the blocks of the format. What the packets say is in `talk.py`. Knows nothing of files or
HTTP.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from app.domain import RequestDetail
from app.export.talk import Packet, packets
from app.log_facts import Gap

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_COMMENT, _APPLICATION, _NAME, _RESOLUTION = 1, 4, 2, 9  # options; the numbers are each block's
_BYTE_ORDER = 0x1A2B3C4D
_UNKNOWN_LENGTH = 2**64 - 1
_ETHERNET = 1
_MICROSECONDS = b"\x06"  # 10**-6: what the log has
#: Bytes kept of a packet: the most that Wireshark takes, and more than any of ours has.
_SNAP_BYTES: Final = 262_144
#: An option's length is 16 bits. A comment is a sentence, unless a server's name is a novel.
_COMMENT_BYTES: Final = 4096


def encode(details: Iterable[RequestDetail | Gap]) -> Iterator[bytes]:
    """The section and its interface, then for each of `details` all of its packets. A capture has
    no place for gaps."""
    yield _section() + _interface()
    for detail in details:
        if not isinstance(detail, Gap):
            yield b"".join(map(_packet, packets(detail)))


def _section() -> bytes:
    body = struct.pack("<IHHQ", _BYTE_ORDER, 1, 0, _UNKNOWN_LENGTH)
    return _block(_SECTION, body + _options((_APPLICATION, b"Sockpit")))


def _interface() -> bytes:
    body = struct.pack("<HHI", _ETHERNET, 0, _SNAP_BYTES)
    return _block(_INTERFACE, body + _options((_NAME, b"sockpit"), (_RESOLUTION, _MICROSECONDS)))


def _packet(packet: Packet) -> bytes:
    at_us = min(max(packet.at_us, 0), 2**64 - 1)  # a wrong clock is no reason to fail
    frame = packet.frame
    numbers = (0, at_us >> 32, at_us & 0xFFFFFFFF, len(frame), packet.size)
    comment = packet.comment.encode("utf-8", "backslashreplace")[:_COMMENT_BYTES]
    options = _options((_COMMENT, comment.decode("utf-8", "ignore").encode())) if comment else b""
    return _block(_PACKET, struct.pack("<IIIII", *numbers) + _padded(frame) + options)


def _options(*options: tuple[int, bytes]) -> bytes:
    """With the mark that ends them."""
    parts = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(parts) + bytes(4)


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
