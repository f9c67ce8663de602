"""Frames as they would have crossed a wire: Ethernet, IPv4 or IPv6, TCP or UDP, with checksums.

Knows headers. Knows nothing of requests, time or capture files.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

IPAddress = IPv4Address | IPv6Address

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10

#: Bytes of an Ethernet frame's content. A segment that fills it is what Wireshark's users expect.
MTU: Final = 1500
#: The most that one UDP datagram carries over IPv4, where the IP header counts too.
UDP_LIMIT: Final = 65_507

_TCP, _UDP = 6, 17
_IPV4_WORD = 0x4500  # version 4, a header of five words, no class
_HOPS = 64
_DONT_FRAGMENT = 0x4000
# Locally administered, and no interface's: 02:…:02 is the client, 02:…:01 the server.
_CLIENT_MAC, _SERVER_MAC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")

# A window of a GiB, so that no reader thinks it full between two acknowledgements: 65,535 << 14.
_WINDOW, _WINDOW_SHIFT = 0xFFFF, 14


@dataclass(frozen=True, slots=True)
class Endpoint:
    host: IPAddress
    port: int


class Way:
    """One direction between two endpoints of one IP version: makes the frames that go it."""

    __slots__ = ("_addresses", "_ethernet", "_ip_sum", "_ports", "_sum", "_version")

    def __init__(self, source: Endpoint, target: Endpoint, *, from_client: bool) -> None:
        self._version = source.host.version
        macs = (_SERVER_MAC, _CLIENT_MAC) if from_client else (_CLIENT_MAC, _SERVER_MAC)
        kind = b"\x08\x00" if self._version == 4 else b"\x86\xdd"
        self._ethernet = b"".join(macs) + kind
        self._addresses = source.host.packed + target.host.packed
        self._ports = (source.port, target.port)
        addresses = _sum(self._addresses)
        self._sum = addresses + source.port + target.port  # what every checksum is of
        self._ip_sum = addresses + _IPV4_WORD + _DONT_FRAGMENT + (_HOPS << 8)

    @property
    def segment_bytes(self) -> int:
        """The most payload of one TCP segment."""
        return MTU - (40 if self._version == 4 else 60)

    def tcp(self, seq: int, ack: int, flags: int, data: bytes = b"") -> bytes:
        """A segment. Both numbers are taken modulo 2**32; a SYN has the usual options."""
        seq, ack = seq % 2**32, ack % 2**32
        options = b""
        if flags & SYN:
            options = struct.pack(">BBHBBBB", 2, 4, self.segment_bytes, 1, 3, 3, _WINDOW_SHIFT)
        length = 20 + len(options) + len(data)
        first = (20 + len(options)) // 4 << 12 | flags  # where the data begins, and the flags
        # Numbers as they are: one of 32 bits is its two words added up, modulo 0xffff.
        numbers = _TCP + length + seq + ack + first + _WINDOW
        checksum = _checksum(self._sum + numbers + _sum(options) + _sum(data))
        header = struct.pack(">HHIIHHHH", *self._ports, seq, ack, first, _WINDOW, checksum, 0)
        return self._ip(_TCP, length) + header + options + data

    def udp(self, data: bytes, size: int) -> bytes:
        """A datagram of `size` bytes, of which `data` were kept: the frame ends with them.

        The checksum of a cut one is of what was kept; readers check none that is cut.
        """
        length = 8 + size
        # The length counts twice: in the header and in the pseudo header. 0 would say "none".
        checksum = _checksum(self._sum + _UDP + 2 * length + _sum(data)) or 0xFFFF
        header = struct.pack(">HHHH", *self._ports, length, checksum)
        return self._ip(_UDP, length) + header + data

    def _ip(self, protocol: int, length: int) -> bytes:
        """The headers before a segment or datagram of `length` bytes."""
        if self._version == 6:
            numbers = (6 << 28, length, protocol, _HOPS)
            return self._ethernet + struct.pack(">IHBB", *numbers) + self._addresses
        total = 20 + length
        checksum = _checksum(self._ip_sum + total + protocol)
        words = (_IPV4_WORD, total, 0, _DONT_FRAGMENT, _HOPS << 8 | protocol, checksum)
        return self._ethernet + struct.pack(">6H", *words) + self._addresses


def _checksum(total: int) -> int:
    """Of words that add up to `total`. 0, and not 0xffff which means the same (RFC 1624)."""
    return -total % 0xFFFF


def _sum(data: bytes) -> int:
    """The 16-bit words of `data` added up, modulo 0xffff: the ones' complement sum of RFC 1071.

    2**16 is 1 modulo 0xffff, so that all of it as one number leaves the same as word by word.
    """
    return int.from_bytes(data + b"\0" if len(data) % 2 else data, "big") % 0xFFFF
