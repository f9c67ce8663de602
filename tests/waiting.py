"""Waiting for what must come true, instead of sleeping and hoping.

Knows nothing of sockets or of the app.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds until a claim that is still false is a failure: far above what a loaded machine needs.
DEADLINE_S = 20.0

_POLL_S = 0.01


def eventually(condition: Callable[[], T], timeout_s: float = DEADLINE_S) -> T:
    """Ask `condition` again and again until what it returns is true, and return that.

    An AssertionError of the condition's own counts as not true yet.
    Raises: AssertionError with the last answer when `timeout_s` seconds were not enough.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while True:
        try:
            answer: T | AssertionError = condition()
        except AssertionError as error:
            answer = error
        if answer and not isinstance(answer, AssertionError):
            return answer
        if time.monotonic() >= deadline:
            why = str(answer) if isinstance(answer, AssertionError) else f"it is {answer!r}"
            raise AssertionError(f"not true within {timeout_s} s: {why}")
        pause.wait(_POLL_S)


def equal(left: Callable[[], object], right: object, timeout_s: float = DEADLINE_S) -> None:
    """Wait until `left()` is `right`; the failure shows both."""

    def condition() -> bool:
        found = left()
        assert found == right, f"{found!r} is not {right!r}"
        return True

    eventually(condition, timeout_s)
