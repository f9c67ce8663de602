"""What a server keeps of the bytes that cross: read from what was asked for, and applied to its
events before anybody else hears of them.

Knows events. Knows nothing of where they are stored or shown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from app.domain import CAPTURE_POLICIES, Capture, ClientConnection
from app.handlers.quote import quoted
from app.services import own_cookie
from app.services.fields import FieldReader
from app.services.masks import MOST_CHARS, MOST_MASKS, Masks, fault
from app.store.requests import RequestEvent
from sockcore.events import Bytes, RequestFinished, RequestProgressed

log = logging.getLogger("app.capture")

CAPTURE_KEYS = ("policy", "bytes", "mask")
MOST_BYTES: Final = 16 * 1024 * 1024

#: Bytes seen beyond those kept, so that a match is masked which ends after the last one kept.
BEYOND: Final = 4096
assert BEYOND > 4 * MOST_CHARS  # as many bytes as a text of so many characters may have

#: Characters of a traceback from which on it may have lost its beginning.
_LONGEST: Final = 16 * 1024
_HEAD: Final = "Traceback (most recent call last):"
_FRAME: Final = re.compile(r'  File "[^"]*", line \d+, in \S+')
_NAME: Final = re.compile(r"[A-Za-z_][\w.]*(?=:|$)")
#: Of a process; they say nothing of what it was sent.
_OUR_WORDS: Final = re.compile(r"its (host )?process [\w ,()]{1,100}")
_NOT_KEPT: Final = "(its words are not kept: they may quote what was sent)"


def read_capture(read: FieldReader, raw: object, base: Capture) -> Capture:
    """`base` with what `raw` names. What is wrong is noted in `read`."""
    given = read.known(raw, "capture", CAPTURE_KEYS)
    values: dict[str, Any] = {}
    if "policy" in given:
        values["policy"] = read.choice(given, "capture.policy", CAPTURE_POLICIES)
    if "bytes" in given:
        values["bytes"] = _bytes(read, given)
    if "mask" in given:
        values["mask"] = _mask(read, given)
    return replace(base, **{key: value for key, value in values.items() if value is not None})


def _bytes(read: FieldReader, given: Mapping[str, object]) -> int | None:
    path = "capture.bytes"
    value = read.whole(given, path)
    if value is None or 0 <= value <= MOST_BYTES:
        return value
    read.wrong("capture_range", f"{path} must be from 0 to {MOST_BYTES} (16 MiB).", path)
    return None


def _mask(read: FieldReader, given: Mapping[str, object]) -> tuple[str, ...] | None:
    path = "capture.mask"
    entries = read.texts(given, path)
    if entries is None:
        return None
    if len(entries) > MOST_MASKS:
        read.wrong("too_many_masks", f"There may be {MOST_MASKS} masks at most.", path)
        return None
    for number, entry in enumerate(entries, 1):
        why = fault(entry)
        if why is not None:
            read.wrong("bad_mask", f"Mask {number}, {quoted(entry)}, {why}.", path)
    return entries


class Keeper:
    """Makes of a server's events those that may be stored and shown. Thread: any; never raises."""

    def __init__(self, server: str, capture: Capture) -> None:
        self._server = server
        self._most = capture.kept_bytes
        self._masks = Masks(capture.mask) if capture.mask else None
        self._hides_words = self._masks is not None or capture.policy == "sizes"
        if self._masks is not None and self._masks.faults:
            told = "%s: a mask can be used no more, so all is masked: it %s"
            log.error(told, server, "; it ".join(self._masks.faults))

    @property
    def tape_bytes(self) -> int:
        """How many bytes of each direction it wants to see."""
        return self._most + BEYOND if self._masks is not None and self._most else self._most

    def kept(self, event: RequestEvent) -> RequestEvent:
        """`event` as it may be stored."""
        received, sent = event.received.prefix, event.sent.prefix
        fits = len(received) <= self._most and len(sent) <= self._most
        if fits and not self._hides_words and not _may_have_cookie(event):
            return event
        try:
            if isinstance(event, RequestProgressed):
                return self._of_open(event)
            return self._of_finished(event)
        except Exception:
            log.exception("%s: nothing is kept of a request", self._server)
            return _nothing(event)

    def shown(self, connection: ClientConnection) -> ClientConnection:
        """`connection` as it may be shown: a chunk alone does not show a match that spans two."""
        if self._most and self._masks is None:
            last = connection.last_bytes
            shown = own_cookie.without_in_chunk(last)
            return connection if shown == last else replace(connection, last_bytes=shown)
        return replace(connection, last_bytes=b"")

    def _of_open(self, event: RequestProgressed) -> RequestProgressed:
        """With a mask nothing of an open request: what comes next may complete a match."""
        most = 0 if self._masks is not None else self._most
        received, sent = _cut(event.received, most), _cut(event.sent, most)
        return replace(event, received=received, sent=sent)

    def _of_finished(self, event: RequestFinished) -> RequestFinished:
        received, sent = self._direction(event.received), self._direction(event.sent)
        error = event.error
        if error is not None and event.outcome == "error" and self._may_quote(event):
            error = without_words(error)
        return replace(event, received=received, sent=sent, error=error)

    def _may_quote(self, event: RequestFinished) -> bool:
        """Whether the words of its error may be bytes that are not to be kept."""
        return self._hides_words or _may_have_cookie(event)

    def _direction(self, way: Bytes) -> Bytes:
        if self._masks is None:
            return _cut(way, self._most)
        seen = way.prefix
        masked = self._masks.over(own_cookie.without(seen))
        if len(seen) == way.total:
            # The digest of something short can be guessed: of what is masked there is none.
            sha256 = way.sha256 if masked == seen else b""
            return Bytes(masked[: self._most], way.total, sha256)
        # Nor of what was not seen. A match may begin at the end of what was, and is not known.
        return Bytes(masked[: min(self._most, max(0, len(seen) - BEYOND))], way.total)


def _cut(way: Bytes, most: int) -> Bytes:
    """At most so many bytes of it, the panel's own cookie never."""
    kept = way.prefix[:most]
    shown = own_cookie.without(kept)
    return way._replace(prefix=shown, sha256=way.sha256 if shown == kept else b"")


def _may_have_cookie(event: RequestEvent) -> bool:
    """Whether the panel's own cookie may be seen in it."""
    if own_cookie.is_in(event.received.prefix) or own_cookie.is_in(event.sent.prefix):
        return True
    error = event.error if isinstance(event, RequestFinished) else None
    return error is not None and own_cookie.is_told(error)


def _nothing(event: RequestEvent) -> RequestEvent:
    empty = event.received._replace(prefix=b"", sha256=b"")
    bare = replace(event, received=empty, sent=event.sent._replace(prefix=b"", sha256=b""))
    return replace(bare, error=None) if isinstance(bare, RequestFinished) else bare


def without_words(error: str) -> str:
    """What an error may say where no byte may be told: where it was raised, and its type.

    Of several in a chain it is the first: what comes before its words is of nobody's making.
    """
    if _OUR_WORDS.fullmatch(error):
        return error
    first, *rest = error.split("\n")
    if first != _HEAD or len(error) >= _LONGEST:
        return f"an exception {_NOT_KEPT}\n"
    steps = next((n for n, line in enumerate(rest) if line[:2] != "  "), len(rest))
    name = _NAME.match(rest[steps]) if steps < len(rest) else None
    told = f"{name[0] if name else 'an exception'} {_NOT_KEPT}\n"
    return "\n".join([_HEAD, *filter(_FRAME.fullmatch, rest[:steps]), told])
