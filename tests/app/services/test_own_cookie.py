"""The panel's own cookie in what servers are sent: hidden wherever it lies, and nothing else."""

from __future__ import annotations

import secrets

import pytest

from app.services import own_cookie

SECRET = "AqtJ-x3_Zk90bTq1Ew7RrYh2LmN5uVvCcXx8pPoO4iI"
REQUEST = (
    f"GET / HTTP/1.1\r\nHost: 127.0.0.1:10001\r\nCookie: theme=dark; "
    f"sockpit-session={SECRET}; other=1\r\n\r\n"
).encode()


def longest_seen(data: bytes) -> int:
    """Characters of the secret in a row that can be read in `data`."""
    return max(
        end - start
        for start in range(len(SECRET))
        for end in range(start, len(SECRET) + 1)
        if SECRET[start:end].encode() in data
    )


def test_the_value_alone_is_hidden_byte_for_byte() -> None:
    assert own_cookie.without(REQUEST) == REQUEST.replace(SECRET.encode(), b"*" * 43)
    tls = REQUEST.replace(b"sockpit", b"__Host-sockpit")
    assert own_cookie.without(tls) == tls.replace(SECRET.encode(), b"*" * 43)


def test_it_is_hidden_however_often_it_comes() -> None:
    assert SECRET.encode() not in own_cookie.without(REQUEST * 3)


@pytest.mark.parametrize(
    "data", [b"", b"sockpit-session", b"sockpit-session=", b"session=abc", b"\0\xff" * 9]
)
def test_what_has_no_value_of_it_is_as_it_was(data: bytes) -> None:
    assert own_cookie.without(data) is data or own_cookie.without(data) == data


@pytest.mark.parametrize("end", range(len(REQUEST) + 1))
def test_of_one_that_is_not_all_there_nothing_is_seen(end: int) -> None:
    """As an open request shows it, at every point at which what came may end."""
    assert longest_seen(own_cookie.without(REQUEST[:end])) <= 1


@pytest.mark.parametrize("start", range(len(REQUEST)))
def test_of_a_chunk_that_begins_amid_it_next_to_nothing_is_seen(start: int) -> None:
    """The last bytes of a connection: at most 32 of a chunk, wherever the one before it ended."""
    assert longest_seen(own_cookie.without_in_chunk(REQUEST[start : start + 32])) < 10


@pytest.mark.parametrize(
    "data",
    [
        *(b"Temperature=21.5", b"hello world", b"GET / HTTP/1.1", b"\x00\x01\x02ABCdef123456"),
        *(b"0123456789abcdef0123456789abcdef", b"SENSOR0001,21.5", b"n=5", b"=x"),
    ],
)
def test_what_devices_send_is_shown(data: bytes) -> None:
    assert own_cookie.without_in_chunk(data) == data


def test_any_secret_is_hidden_in_pieces() -> None:
    """As long as there is enough of it to be worth something."""
    for _ in range(200):
        secret = secrets.token_urlsafe(32)
        seen = [own_cookie.without_in_chunk(secret[at:].encode()[:32]) for at in range(12)]
        assert all(secret[at:].encode()[:32] != shown for at, shown in enumerate(seen))
