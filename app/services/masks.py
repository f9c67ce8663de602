"""Masks: the patterns of what is not to be kept, and putting `*` in its place, byte for byte.

Knows bytes and RE2, whose time is linear in them: they come from strangers. Knows no server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import re2

#: Masks of one server, and characters of one of them.
MOST_MASKS: Final = 16
MOST_CHARS: Final = 256

#: Steps of a compiled regex: each byte may cost RE2 as many when it runs out of memory.
MOST_STEPS: Final = 500

#: Matches in one direction of a request until all of it is masked, and seconds of this thread to
#: find them, with as many more as the bytes take: a stranger may send nothing but matches.
MOST_MATCHES: Final = 10_000
PATIENCE_S: Final = 0.1
BYTES_A_SECOND: Final = 20_000_000

_TEXT: Final = "text:"
_REGEX: Final = "re:"

Span = tuple[int, int]
Finder = Callable[[bytes], Iterable[Span]]


def fault(entry: str) -> str | None:
    """What is wrong with a mask, as the end of a sentence; None: it can be used."""
    try:
        _finder(entry)
    except ValueError as error:
        return str(error)
    return None


class Masks:
    """Those of one server, ready for use. One that cannot be used masks everything.

    Thread: any.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.faults = tuple(why for why in map(fault, entries) if why is not None)
        self._finders = () if self.faults else tuple(map(_finder, entries))

    def over(self, data: bytes) -> bytes:
        """`data` itself where nothing of it matches; else as long, with `*` for what does."""
        if self.faults:
            return b"*" * len(data)
        masked: bytearray | None = None
        deadline = time.thread_time() + PATIENCE_S + len(data) / BYTES_A_SECOND
        matches = 0
        for find in self._finders:
            for start, end in find(data):
                matches += 1
                if matches > MOST_MATCHES or time.thread_time() > deadline:
                    return b"*" * len(data)
                masked = bytearray(data) if masked is None else masked
                masked[start:end] = b"*" * (end - start)
        return data if masked is None else bytes(masked)


def _finder(entry: str) -> Finder:
    """Raises: ValueError with the end of a sentence."""
    if len(entry) > MOST_CHARS:
        raise ValueError(f"has {len(entry):,} characters, more than {MOST_CHARS}")
    if any(char < " " or char == "\x7f" for char in entry):
        raise ValueError(r"has a control character: write it in a regex, as \n or \x00")
    if entry.startswith(_TEXT):
        return _text(entry.removeprefix(_TEXT))
    if entry.startswith(_REGEX):
        return _regex(entry.removeprefix(_REGEX))
    raise ValueError("begins neither with text: nor with re:")


def _text(text: str) -> Finder:
    try:
        wanted = text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("has half a character, which no text has") from error
    if not wanted:
        raise ValueError("has nothing after text:")

    def find(data: bytes) -> Iterator[Span]:
        # From the next byte on, not from its end: it may overlap itself.
        at = data.find(wanted)
        while at >= 0:
            yield at, at + len(wanted)
            at = data.find(wanted, at + 1)

    return find


def _regex(pattern: str) -> Finder:
    if not pattern.isascii():
        raise ValueError(r"is of bytes: write what is not ASCII as \x and two digits")
    if not pattern:
        raise ValueError("has nothing after re:")
    compiled = _compiled(pattern.encode("ascii"))
    if compiled.search(b"") is not None:
        raise ValueError("matches nothing at all, so it would match everywhere")

    def find(data: bytes) -> Iterator[Span]:
        return (match.span() for match in compiled.finditer(data))

    return find


def _compiled(pattern: bytes) -> Any:
    """Raises: ValueError."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1  # a byte is a character
    options.log_errors = False
    options.never_capture = True
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        (why,) = error.args or (b"",)
        told = why.decode("ascii", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(f"is no regex that RE2 takes: {told}") from error
    steps = max(compiled.programsize, compiled.reverseprogramsize)
    if steps > MOST_STEPS:
        raise ValueError(f"takes {steps:,} steps, more than {MOST_STEPS}: repeat less in it")
    return compiled
