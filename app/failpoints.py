"""Named places where a test can make the program fail: at each of them nothing happens, unless
`SOCKPIT_FAILPOINTS` names it with an action.

    log.before_commit=kill          SIGKILL, at the first time
    log.before_commit=sleep:500     it takes 500 ms longer
    log.before_begin=raise:EIO      an OSError, by its name
    log.after_insert=enospc         the same as raise:ENOSPC
    ckpt.mid=kill@7%10*1            from the 7th time on, one time in ten, once at most

Several are separated by commas. Knows nothing of the places: they know it.
"""

from __future__ import annotations

import errno
import os
import random
import re
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

VARIABLE: Final = "SOCKPIT_FAILPOINTS"

#: What a name may be; `n` of the last is any number from 1 on.
NAMES: Final = (
    *("log.before_begin", "log.after_insert", "log.before_commit", "log.after_commit"),
    *("log.before_ack", "ckpt.mid", "migrate.step_n"),
)

_STEP: Final = re.compile(r"step_[1-9][0-9]*$")
_RULE: Final = re.compile(r"([a-z]+)(?::(\w+))?(?:@(\d+))?(?:%(\d+))?(?:\*(\d+))?")


class Failpoint:
    """What happens at one place. Thread: any."""

    def __init__(self, act: Callable[[], None], *, first: int, percent: int, most: int) -> None:
        self._act = act
        self._first, self._percent, self._most = first, percent, most
        self._lock = threading.Lock()  # guards both counts
        self._passed = 0
        self.fired = 0

    def hit(self) -> None:
        """Somebody comes by."""
        with self._lock:
            self._passed += 1
            due = self._passed >= self._first and self.fired < self._most
            if not due or random.random() * 100 >= self._percent:
                return
            self.fired += 1
        self._act()


_armed: dict[str, Failpoint] = {}


def failpoint(name: str) -> None:
    """The place called `name`."""
    if _armed and (armed := _armed.get(name)):
        armed.hit()


def arm(text: str) -> dict[str, Failpoint]:
    """Have happen what `text` says, and nothing else that was said before.

    Raises: ValueError naming what is wrong with it.
    """
    rules = [part.strip() for part in text.split(",") if part.strip()]
    found = dict(map(_parsed, rules))
    _armed.clear()
    _armed.update(found)
    return found


def _parsed(rule: str) -> tuple[str, Failpoint]:
    name, _, told = rule.partition("=")
    if name == "migrate.step_n" or _STEP.sub("step_n", name) not in NAMES:
        raise ValueError(f"there is no failpoint {name!r}; there are {', '.join(NAMES)}")
    match = _RULE.fullmatch(told)
    act = match and _action(match[1], match[2])
    if not match or not act:
        raise ValueError(
            f"{told!r} of {name} is no action; there are kill, sleep:MS, raise:EIO and enospc, "
            "then @FIRST, %PERCENT and *MOST"
        )
    first, percent, most = (int(number or 0) for number in match.groups()[2:])
    return name, Failpoint(act, first=first, percent=percent or 100, most=most or 2**63)


def _action(name: str, argument: str | None) -> Callable[[], None] | None:
    if name == "sleep" and argument and argument.isdecimal():
        return lambda: time.sleep(int(argument) / 1000)
    if name == "raise" and argument and isinstance(getattr(errno, argument, None), int):
        return lambda: _raise(getattr(errno, argument))
    if argument is None and name in ("kill", "enospc"):
        return _kill if name == "kill" else lambda: _raise(errno.ENOSPC)
    return None


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # it comes before this is over


def _raise(code: int) -> None:
    raise OSError(code, os.strerror(code))
