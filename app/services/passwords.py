"""Passwords: what is taken for one, its hash, and whether one is right.

Argon2id costs memory and time on purpose, so only so many are worked at once.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

from pwdlib.hashers.argon2 import Argon2Hasher

from app.errors import TooMany
from app.handlers.quote import is_text
from app.services.fields import FieldReader

T = TypeVar("T")

#: Characters of a password. The most: so that nobody has us hash a book.
LEAST: Final = 10
MOST: Final = 256

#: Each takes 19 MiB and some 25 ms of a processor, as OWASP has it.
_ARGON2: Final = Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)

_AT_ONCE: Final = 2
_WAITING: Final = 16


def read_password(
    read: FieldReader, given: Mapping[str, object], field: str = "password"
) -> str | None:
    """The new password that `given` has, None for what is none and is noted so."""
    password = read.text(given, field)
    if password is None:
        return None
    if not is_text(password):
        read.wrong("password_malformed", "A password is text that UTF-8 can write.", field)
    elif not LEAST <= len(password) <= MOST:
        detail = f"A password has {LEAST} to {MOST} characters."
        read.wrong("password_length", detail, field)
    else:
        return password
    return None


class Passwords:
    """Thread: any; it waits for its turn."""

    def __init__(self) -> None:
        # Threads of its own: malloc keeps what was freed for the thread that had it, and so it
        # is kept twice, not once for each thread that ever served a login.
        self._workers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="passwords")
        self._places = threading.Semaphore(_AT_ONCE + _WAITING)
        # What a login without such a user is compared with: it takes as long.
        self._nobody = _ARGON2.hash("nobody's password")

    def hash(self, password: str) -> str:
        """Raises: TooMany `busy`."""
        return self._in_turn(lambda: _ARGON2.hash(_normal(password)))

    def matches(self, password: str, hashed: str | None) -> bool:
        """Whether it is the password of that hash; None for nobody's. Raises: TooMany `busy`."""
        known = hashed or self._nobody
        right = len(password) <= MOST and self._in_turn(
            lambda: _ARGON2.verify(_normal(password), known)
        )
        return right and hashed is not None

    def _in_turn(self, work: Callable[[], T]) -> T:
        with self._place():
            return self._workers.submit(work).result()

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            detail = "Too many passwords are being checked just now. Try again in a moment."
            raise TooMany("busy", detail, retry_after_s=1)
        try:
            yield
        finally:
            self._places.release()


def _normal(password: str) -> str:
    """One and the same, however a keyboard composes its letters (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)
