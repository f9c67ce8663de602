"""Decoders: what cuts the messages of one connection out of its bytes, one for each framing.

Knows bytes. Each byte is looked at a fixed number of times, in whatever pieces it comes; what is
kept is less than one frame, and nothing while no message is under way.
"""

from __future__ import annotations

from struct import Struct

from sockcore.errors import FrameError, FrameTooLong

__all__ = [
    "Decoder",
    "DelimiterDecoder",
    "FixedDecoder",
    "GapDecoder",
    "LengthDecoder",
    "LineDecoder",
    "RawDecoder",
]

_PREFIXES = {
    (size, byteorder): Struct(order + letter)
    for byteorder, order in (("big", ">"), ("little", "<"))
    for size, letter in ((1, "B"), (2, "H"), (4, "I"))
}


class Decoder:
    """Cuts the messages of one connection out of what it receives."""

    __slots__ = ("_limit", "_rest", "error")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest: bytearray | None = None  # of a message that is not whole yet
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
        return self._rest is not None

    def _too_long(self, size: int) -> None:
        self.error = FrameTooLong(
            f"a frame of {size} bytes or more is longer than the {self._limit} allowed"
        )
        self._rest = None


class DelimiterDecoder(Decoder):
    __slots__ = ("_delimiter",)

    def __init__(self, delimiter: bytes, limit: int) -> None:
        super().__init__(limit)
        self._delimiter = delimiter

    def feed(self, data: bytes) -> list[bytes]:
        rest, delimiter = self._rest, self._delimiter
        if rest is not None:
            # It may have begun in what was there before; nothing else is looked at twice.
            start = max(0, len(rest) - len(delimiter) + 1)
            rest += data
            if rest.find(delimiter, start) < 0:
                self._check(rest)
                return []
            data = bytes(rest)
            self._rest = None
        messages = data.split(delimiter)
        left = messages.pop()
        if left:
            self._rest = bytearray(left)
        if len(data) > self._limit:
            messages = self._fitting(messages)
            self._check(left)
        return messages

    def _fitting(self, messages: list[bytes]) -> list[bytes]:
        """Those before the first that is too long."""
        for index, message in enumerate(messages):
            if self._size(message) > self._limit:
                self._too_long(len(message))
                return messages[:index]
        return messages

    def _check(self, rest: bytes | bytearray) -> None:
        # The end of it may turn out to be the beginning of a delimiter.
        if self.error is None and self._size(rest) - len(self._delimiter) + 1 > self._limit:
            self._too_long(len(rest))

    def _size(self, message: bytes | bytearray) -> int:
        """Bytes of it that count."""
        return len(message)


class LineDecoder(DelimiterDecoder):
    __slots__ = ()

    def __init__(self, limit: int) -> None:
        super().__init__(b"\n", limit)

    def feed(self, data: bytes) -> list[bytes]:
        # Nearly always: one line, whole.
        if self._rest is None and data.find(b"\n") == len(data) - 1 <= self._limit and data:
            return [data[:-2] if data[-2:] == b"\r\n" else data[:-1]]
        lines = super().feed(data)
        if lines and (b"\r" in data or lines[0].endswith(b"\r")):
            return [line.removesuffix(b"\r") for line in lines]
        return lines

    def _size(self, message: bytes | bytearray) -> int:
        return len(message) - message.endswith(b"\r")

    def rest(self) -> bytes | None:
        if self._rest is None:
            return None
        line, self._rest = bytes(self._rest), None
        return line.removesuffix(b"\r")


class FixedDecoder(Decoder):
    __slots__ = ("_size",)

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(limit)
        self._size = size

    def feed(self, data: bytes) -> list[bytes]:
        size, rest = self._size, self._rest
        if rest is not None:
            rest += data
            if len(rest) < size:
                return []
            data = bytes(rest)
            self._rest = None
        if len(data) == size:
            return [data]
        whole = len(data) - len(data) % size
        if whole < len(data):
            self._rest = bytearray(data[whole:])
        return [data[at : at + size] for at in range(0, whole, size)]


class LengthDecoder(Decoder):
    __slots__ = ("_needed", "_own", "_prefix")

    def __init__(self, size: int, byteorder: str, includes_itself: bool, limit: int) -> None:
        super().__init__(limit)
        self._prefix = _PREFIXES[size, byteorder]
        self._own = size if includes_itself else 0
        self._needed = 0  # bytes of rest, until there is something new to know

    def feed(self, data: bytes) -> list[bytes]:
        rest = self._rest
        if rest is not None:
            rest += data
            if len(rest) < self._needed:
                return []
            data = bytes(rest)
            self._rest = None
        prefix, own, limit, have = self._prefix, self._own, self._limit, len(data)
        messages: list[bytes] = []
        at, end = 0, prefix.size
        while end <= have:
            begin = end
            size = prefix.unpack_from(data, at)[0] - own
            if not 0 <= size <= limit:
                self._refuse(size)
                return messages
            end = begin + size
            if end > have:
                break
            messages.append(data[begin:end])
            at, end = end, end + prefix.size
        if at < have:
            self._rest = bytearray(data[at:])
            self._needed = end - at
        return messages

    def _refuse(self, size: int) -> None:
        if size >= 0:
            self._too_long(size)
        else:
            told = size + self._own
            self.error = FrameError(f"a length of {told} does not hold its own {self._own} bytes")


class GapDecoder(Decoder):
    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        if self._rest is None:
            self._rest = bytearray()
        self._rest += data
        if len(self._rest) > self._limit:
            self._too_long(len(self._rest))
        return []

    def rest(self) -> bytes | None:
        if self._rest is None:
            return None
        whole, self._rest = bytes(self._rest), None
        return whole


class RawDecoder(Decoder):
    __slots__ = ()

    def feed(self, data: bytes) -> list[bytes]:
        limit = self._limit
        if len(data) <= limit:
            return [data]
        return [data[at : at + limit] for at in range(0, len(data), limit)]
