"""The tracebacks of one run, made cheap: handlers that fail often fail in the same places.

Knows exceptions. Knows nothing of requests.
"""

from __future__ import annotations

import threading
import traceback
from types import TracebackType

__all__ = ["Tracebacks"]

#: Characters kept of a traceback: its end, where the cause is. An exception may hold megabytes.
_MOST_CHARS = 16 * 1024

#: Places remembered; the one not failed in for the longest time goes first.
_MOST_PLACES = 64

_Place = tuple[object, ...]


class Tracebacks:
    """Makes the text of an exception. What it was like at the same place before is not made, and
    not kept, again.

    Thread: any.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the mapping
        self._texts: dict[_Place, tuple[str, str]] = {}  # the stack, and the whole text

    def text(self, error: BaseException) -> str:
        """As `traceback.format_exc()` has it; its end, when it is long."""
        if error.__cause__ or error.__context__ or isinstance(error, BaseExceptionGroup):
            return _end(traceback.format_exception(error))
        place = (type(error), *_steps(error.__traceback__))
        with self._lock:
            known = self._texts.pop(place, None)
        stack = known[0] if known else _stack(error.__traceback__)
        text = _end([stack, *traceback.format_exception_only(error)])
        if known is not None and known[1] == text:
            text = known[1]
        with self._lock:
            self._texts[place] = (stack, text)
            if len(self._texts) > _MOST_PLACES:
                del self._texts[next(iter(self._texts))]
        return text


def _steps(at: TracebackType | None) -> list[object]:
    """What makes one way through the code differ from another."""
    steps: list[object] = []
    while at is not None:
        steps += (at.tb_frame.f_code, at.tb_lasti)
        at = at.tb_next
    return steps


def _stack(at: TracebackType | None) -> str:
    if at is None:
        return ""
    return "".join(["Traceback (most recent call last):\n", *traceback.format_tb(at)])


def _end(parts: list[str]) -> str:
    return "".join(parts)[-_MOST_CHARS:]
