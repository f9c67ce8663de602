"""Users, tokens and browsers of each role, for tests that ask as each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx2
import pytest

from tests.running import SESSION_COOKIE, Api, log_in
from tests.waiting import DEADLINE_S

#: What is long to send. The fixture `full` has much of each.
DOWNLOADS = (
    *(f"/api/v1/requests/export?format={format_}" for format_ in ("jsonl", "pcapng")),
    "/api/v1/audit/export",
)

LONG_ENOUGH = "long enough to be one"

_numbers = count(1)


def user(api: Api, role: str, name: str | None = None) -> str:
    """Make a user whose password is LONG_ENOUGH. Returns: its name."""
    made = name or f"{role}-{next(_numbers)}"
    api.post("users", {"name": made, "role": role, "password": LONG_ENOUGH})
    return made


def token(api: Api, role: str, **more: object) -> str:
    """Make a token. Returns: its secret."""
    made = api.post("tokens", {"name": f"of a test {next(_numbers)}", "role": role, **more})
    return str(made["token"])


@contextmanager
def client(url: str, *, session: str | None = None, bearer: str | None = None) -> Iterator[Any]:
    """Somebody who shows that, or nothing."""
    with httpx2.Client(
        base_url=url,
        trust_env=False,
        timeout=DEADLINE_S,
        cookies={SESSION_COOKIE: session} if session else None,
        headers={"Authorization": f"Bearer {bearer}"} if bearer else None,
    ) as made:
        yield made


@contextmanager
def browser_of(api: Api, role: str) -> Iterator[Any]:
    """A browser that a new user of that role is logged in with."""
    name = user(api, role)
    with client(api.url, session=log_in(api.url, name, LONG_ENOUGH)) as made:
        yield made


def broken_off(asker: httpx2.Client, path: str, end: Callable[[], None]) -> None:
    """Claims that a download is broken off, so that nobody takes it for whole, at some time after
    `end`, which is called when it is under way."""
    with asker.stream("GET", path) as answer:
        assert answer.status_code == 200
        pieces = answer.iter_bytes(65_536)
        next(pieces)
        end()
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)


def status(asker: httpx2.Client, method: str, path: str, **headers: str) -> int:
    """Of an answer, without waiting for the end of one that has none."""
    with asker.stream(method, path, headers=headers) as answer:
        return answer.status_code
