"""Framings: how messages are cut out of a stream of bytes, and put into one.

Knows bytes. Knows nothing of sockets or handlers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
]


class Framing:
    """How messages lie in a stream."""

    #: Seconds of silence that end a message; None: silence means nothing.
    gap_s: float | None = None

    def decoder(self, max_frame: int) -> Decoder:
        """A decoder for one connection. `max_frame`: bytes of the longest message taken."""
        raise NotImplementedError

    def encode(self, message: bytes) -> bytes:
        """`message` as it goes out. Raises: FrameError when it cannot be framed."""
        raise NotImplementedError


class Decoder:
    """Cuts the messages of one connection out of what it receives."""

    __slots__ = ("_limit", "_rest", "error")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()  # of a message that is not whole yet
        #: Why nothing can be cut out any more; what came before it was returned.
        self.error: FrameError | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order. Look at `error` afterwards."""
        raise NotImplementedError

    def rest(self) -> bytes | None:
        """What a peer that ends leaves behind, if that counts as a message."""
        return None

    @property
    def is_amid(self) -> bool:
        """Whether a message has begun and is not whole."""
        return bool(self._rest)

    def _too_long(self, size: int) -> None:
        self.error = FrameTooLong(
            f"a frame of {size} bytes or more is longer than the {self._limit} allowed"
        )
        self._rest = bytearray()


# -- delimiters ---------------------------------------------------------------------------


@dataclass(frozen=True)
class DelimiterFraming(Framing):
    """A message ends at `delimiter`, which is not part of it."""

    delimiter: bytes

    def __post_init__(self) -> None:
        if not self.delimiter:
            raise ValueError("a delimiter needs at least one byte")

    def decoder(self, max_frame: int) -> Decoder:
        return _DelimiterDecoder(self.delimiter, max_frame)

    def encode(self, message: bytes) -> bytes:
        return message + self.delimiter


@dataclass(frozen=True)
class LineFraming(Framing):
    """A message is a line, without its `\\n` or `\\r\\n`; the last one may lack them.

    `end` is what lines are sent with.
    """

    end: bytes = b"\n"

    def decoder(self, max_frame: int) -> Decoder:
        return _LineDecoder(b"\n", max_frame)

    def encode(self, message: bytes) -> bytes:
        return message + self.end


class _DelimiterDecoder(Decoder):
    __slots__ = ("_delimiter",)

    def __init__(self, delimiter: bytes, limit: int) -> None:
        super().__init__(limit)
        self._delimiter = delimiter

    def feed(self, data: bytes) -> list[bytes]:
        rest, delimiter = self._rest, self._delimiter
        if rest:
            # It may have begun in what was there before; nothing else is looked at twice.
            start = max(0, len(rest) - len(delimiter) + 1)
            rest += data
            if rest.find(delimiter, start) < 0:
                self._check(len(rest))
                return []
            data = bytes(rest)
        messages = data.split(delimiter)
        left = messages.pop()
        if left or rest:
            self._rest = bytearray(left)
        if len(data) > self._limit:
            messages = self._fitting(messages)
            self._check(len(left))
        return messages

    def _fitting(self, messages: list[bytes]) -> list[bytes]:
        for index, message in enumerate(messages):
            if len(message) > self._limit:
                self._too_long(len(message))
                return messages[:index]
        return messages

    def _check(self, size: int) -> None:
        # Some of it may turn out to be the delimiter.
        if self.error is None and size > self._limit + len(self._delimiter):
            self._too_long(size)


class _LineDecoder(_DelimiterDecoder):
    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        lines = super().feed(data)
        if lines and (b"\r" in data or lines[0].endswith(b"\r")):
            return [line.removesuffix(b"\r") for line in lines]
        return lines

    def _fitting(self, messages: list[bytes]) -> list[bytes]:
        for index, line in enumerate(messages):
            if len(line) - line.endswith(b"\r") > self._limit:
                self._too_long(len(line))
                return messages[:index]
        return messages

    def rest(self) -> bytes | None:
        if not self._rest:
            return None
        line = bytes(self._rest).removesuffix(b"\r")
        if len(line) > self._limit:
            self._too_long(len(line))
            return None
        return line


# -- sizes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class FixedFraming(Framing):
    """Every message has `size` bytes."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"a fixed frame needs at least one byte, not {self.size}")

    def decoder(self, max_frame: int) -> Decoder:
        return _FixedDecoder(self.size, max_frame)

    def encode(self, message: bytes) -> bytes:
        if len(message) != self.size:
            raise FrameError(f"a message of {len(message)} bytes is none of {self.size}")
        return message


class _FixedDecoder(Decoder):
    __slots__ = ("_size",)

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(limit)
        self._size = size

    def feed(self, data: bytes) -> list[bytes]:
        size = self._size
        if size > self._limit:
            self._too_long(size)
            return []
        rest = self._rest
        rest += data
        whole = len(rest) - len(rest) % size
        messages = [bytes(rest[at : at + size]) for at in range(0, whole, size)]
        del rest[:whole]
        return messages


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
        return _LengthDecoder(self, max_frame)

    def encode(self, message: bytes) -> bytes:
        length = len(message) + (self.size if self.includes_itself else 0)
        if length >= 1 << 8 * self.size:
            raise FrameError(f"a prefix of {self.size} bytes cannot say {length}")
        return length.to_bytes(self.size, self.byteorder) + message


class _LengthDecoder(Decoder):
    __slots__ = ("_framing",)

    def __init__(self, framing: LengthFraming, limit: int) -> None:
        super().__init__(limit)
        self._framing = framing

    def feed(self, data: bytes) -> list[bytes]:
        framing, rest, at = self._framing, self._rest, 0
        messages: list[bytes] = []
        head = framing.size
        rest += data
        while len(rest) - at >= head:
            size = int.from_bytes(rest[at : at + head], framing.byteorder)
            if framing.includes_itself:
                size -= head
            if size < 0:
                self.error = FrameError(f"a length of {size + head} does not hold its own prefix")
                return messages
            if size > self._limit:
                self._too_long(size)
                return messages
            if len(rest) - at - head < size:
                break
            messages.append(bytes(rest[at + head : at + head + size]))
            at += head + size
        del rest[:at]
        return messages


# -- silence, datagrams -------------------------------------------------------------------


@dataclass(frozen=True)
class IdleGapFraming(Framing):
    """A message ends when the peer is silent for `gap_s` seconds, as on a serial line."""

    gap_s: float = 0.05

    def __post_init__(self) -> None:
        if not self.gap_s > 0:
            raise ValueError(f"a gap lasts longer than {self.gap_s} seconds")

    def decoder(self, max_frame: int) -> Decoder:
        return _GapDecoder(max_frame)

    def encode(self, message: bytes) -> bytes:
        return message


class _GapDecoder(Decoder):
    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        self._rest += data
        if len(self._rest) > self._limit:
            self._too_long(len(self._rest))
        return []

    def rest(self) -> bytes | None:
        whole, self._rest = bytes(self._rest), bytearray()
        return whole or None


@dataclass(frozen=True)
class DatagramFraming(Framing):
    """A message is a datagram. For handlers of datagram servers only."""

    def decoder(self, max_frame: int) -> Decoder:
        raise FrameError("a stream has no datagrams: choose another framing for stream servers")

    def encode(self, message: bytes) -> bytes:
        return message
