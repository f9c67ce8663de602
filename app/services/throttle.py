"""How often a login may fail before it has to wait: per account and address, and per address.

In memory: a restart forgets it.
"""

from __future__ import annotations

import math
import time
from typing import Final

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app.errors import TooMany

#: For one name from one address; another address may still log in as it.
_ONE: Final = RateLimitItemPerMinute(10, 15)

#: For any names from one address.
_ALL: Final = RateLimitItemPerMinute(100, 15)

#: Characters of a name that count. No user has more, and what failed is kept.
_NAME_LENGTH: Final = 64


class Throttle:
    """Thread: any."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, name: str, address: str) -> None:
        """Raises: TooMany `too_many_logins`, once too many failed."""
        for limit, keys in ((_ONE, (name[:_NAME_LENGTH], address)), (_ALL, ("", address))):
            if not self._limiter.test(limit, *keys):
                until = self._limiter.get_window_stats(limit, *keys).reset_time
                wait_s = max(1, math.ceil(until - time.time()))
                minutes = math.ceil(wait_s / 60)
                detail = f"Too many logins failed. Try again in {minutes} min."
                raise TooMany("too_many_logins", detail, wait_s)

    def failed(self, name: str, address: str) -> None:
        """Count one more."""
        self._limiter.hit(_ONE, name[:_NAME_LENGTH], address)
        self._limiter.hit(_ALL, "", address)

    def succeeded(self, name: str, address: str) -> None:
        """Forget those of that name from there."""
        self._limiter.clear(_ONE, name[:_NAME_LENGTH], address)
