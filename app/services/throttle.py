"""How often a login may fail before it has to wait: per account and address, and per address.

An address is one of IPv4, or a whole network of IPv6: see `crowd_of`. In memory: a restart
forgets it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.crowd import crowd_of
from app.errors import TooMany, Unauthorized

#: For one name from one address; another address may still log in as it.
_ONE: Final = RateLimitItemPerMinute(10, 15)

#: For any names from one address.
_ALL: Final = RateLimitItemPerMinute(100, 15)

#: Characters of a name that count. No user has more, and what failed is kept.
_NAME_LENGTH: Final = 64

#: A limit, and what counts for it.
_Count = tuple[RateLimitItem, str, str]


class Throttle:
    """Thread: any."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._lock = threading.Lock()  # guards what follows, and that no two take the last try
        self._tried: Counter[_Count] = Counter()  # by those whose password is being checked

    @contextmanager
    def attempt(self, name: str, address: str) -> Iterator[None]:
        """Check a password in it. One that is wrong, Unauthorized, counts; one that is right has
        those of that name from there forgotten; any other end counts for nothing.

        What is being checked counts as if it had failed: else many at once would all be.
        Raises: TooMany `too_many_logins` once too many failed, `busy` where they still may.
        """
        crowd = crowd_of(address)
        counts = ((_ONE, name[:_NAME_LENGTH], crowd), (_ALL, "", crowd))
        self._begin(counts)
        try:
            yield
        except Unauthorized:
            self._end(counts, failed=True)
            raise
        except BaseException:
            self._end(counts)
            raise
        self._end(counts)
        self._limiter.clear(*counts[0])

    def _begin(self, counts: tuple[_Count, ...]) -> None:
        with self._lock:
            for count in counts:
                if not self._limiter.test(*count):
                    raise self._refusal(count)
                if not self._limiter.test(*count, cost=self._tried[count] + 1):
                    detail = "Too many logins are being checked just now. Try again in a moment."
                    raise TooMany("busy", detail, 1)
            self._tried.update(counts)

    def _end(self, counts: tuple[_Count, ...], *, failed: bool = False) -> None:
        with self._lock:
            for count in counts if failed else ():
                self._limiter.hit(*count)
            self._tried -= Counter(counts)  # and forgets those that are none

    def _refusal(self, count: _Count) -> TooMany:
        until = self._limiter.get_window_stats(*count).reset_time
        wait_s = max(1, math.ceil(until - time.time()))
        detail = f"Too many logins failed. Try again in {math.ceil(wait_s / 60)} min."
        return TooMany("too_many_logins", detail, wait_s)
