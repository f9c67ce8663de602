"""Framings: how messages are cut out of a stream of bytes, and put into one.

Knows bytes; the cutting itself is in `decoding.py`. Knows nothing of sockets or handlers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sockcore.decoding import (
    Decoder,
    DelimiterDecoder,
    FixedDecoder,
    GapDecoder,
    LengthDecoder,
    LineDecoder,
    RawDecoder,
)
from sockcore.errors import FrameError, FrameTooLong

__all__ = [
    "DatagramFraming",
    "Decoder",
    "DelimiterFraming",
    "FixedFraming",
    "Framing",
    "IdleGapFraming",
    "LengthFraming",
    "LineFraming",
    "RawFraming",
]

#: Seconds: a longer silence is no sign of anything.
_LONGEST_GAP_S = 3600.0


class Framing:
    """How messages lie in a stream."""

    #: Seconds of silence that end a message; None: silence means nothing.
    gap_s: float | None = None

    def decoder(self, max_frame: int) -> Decoder:
        """A decoder for one connection. `max_frame`: bytes of the longest message taken.

        Raises: FrameError when no stream could ever bring a message.
        """
        raise NotImplementedError

    def encode(self, message: bytes) -> bytes:
        """`message` as it goes out. Raises: FrameError when it cannot be framed."""
        raise NotImplementedError


@dataclass(frozen=True)
class DelimiterFraming(Framing):
    """A message ends at `delimiter`, which is not part of it.

    What is sent is not searched for it: a message that holds it arrives as several.
    """

    delimiter: bytes

    def __post_init__(self) -> None:
        if not self.delimiter:
            raise ValueError("a delimiter needs at least one byte")

    def decoder(self, max_frame: int) -> Decoder:
        return DelimiterDecoder(self.delimiter, max_frame)

    def encode(self, message: bytes) -> bytes:
        return message + self.delimiter


@dataclass(frozen=True)
class LineFraming(Framing):
    """A message is a line, without its `\\n` or `\\r\\n`; the last one may lack them.

    `end` is what lines are sent with. An answer of several lines may hold `\\n` itself.
    """

    end: bytes = b"\n"

    def __post_init__(self) -> None:
        if not self.end:
            raise ValueError("a line needs an end of at least one byte to be sent with")

    def decoder(self, max_frame: int) -> Decoder:
        return LineDecoder(max_frame)

    def encode(self, message: bytes) -> bytes:
        return message + self.end


@dataclass(frozen=True)
class FixedFraming(Framing):
    """Every message has `size` bytes."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a fixed frame needs at least one byte, not {self.size}")

    def decoder(self, max_frame: int) -> Decoder:
        if self.size > max_frame:
            raise FrameTooLong(f"a frame of {self.size} bytes is longer than {max_frame} allowed")
        return FixedDecoder(self.size, max_frame)

    def encode(self, message: bytes) -> bytes:
        if len(message) != self.size:
            raise FrameError(f"a message of {len(message)} bytes is none of {self.size}")
        return message


@dataclass(frozen=True)
class LengthFraming(Framing):
    """A prefix of `size` bytes says how long the message is, itself included or not."""

    size: Literal[1, 2, 4] = 2
    byteorder: Literal["big", "little"] = "big"
    includes_itself: bool = False

    def __post_init__(self) -> None:
        if self.size not in (1, 2, 4):
            raise ValueError(f"a length prefix has 1, 2 or 4 bytes, not {self.size}")
        if self.byteorder not in ("big", "little"):
            raise ValueError(f"a byte order is big or little, not {self.byteorder}")

    def decoder(self, max_frame: int) -> Decoder:
        return LengthDecoder(self.size, self.byteorder, self.includes_itself, max_frame)

    def encode(self, message: bytes) -> bytes:
        length = len(message) + (self.size if self.includes_itself else 0)
        if length >= 1 << 8 * self.size:
            raise FrameError(f"a prefix of {self.size} bytes cannot say {length}")
        return length.to_bytes(self.size, self.byteorder) + message


@dataclass(frozen=True)
class IdleGapFraming(Framing):
    """A message ends when the peer is silent for `gap_s` seconds, as on a serial line."""

    gap_s: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.gap_s <= _LONGEST_GAP_S:
            raise ValueError(f"a gap lasts from above 0 to {_LONGEST_GAP_S} s, not {self.gap_s}")

    def decoder(self, max_frame: int) -> Decoder:
        return GapDecoder(max_frame)

    def encode(self, message: bytes) -> bytes:
        return message


@dataclass(frozen=True)
class RawFraming(Framing):
    """No frames: a message is what has just come, in whatever pieces that is.

    None is longer than `max_frame`: what comes as more is cut.
    """

    def decoder(self, max_frame: int) -> Decoder:
        return RawDecoder(max_frame)

    def encode(self, message: bytes) -> bytes:
        return message


@dataclass(frozen=True)
class DatagramFraming(Framing):
    """A message is a datagram. For handlers of datagram servers only."""

    def decoder(self, max_frame: int) -> Decoder:
        raise FrameError("a stream has no datagrams: choose another framing for stream servers")

    def encode(self, message: bytes) -> bytes:
        return message
