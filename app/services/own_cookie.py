"""The panel's own cookie in what servers are sent: a browser that is logged in here sends it to
every port of this host name. Whoever reads the log must not become somebody else by it.

Knows bytes. Knows nothing of sessions.
"""

from __future__ import annotations

import re
from typing import Final

#: Also the end of its name under TLS.
NAME: Final = "sockpit-session"

_NAMED: Final = f"{NAME}=".encode("ascii")
_VALUE: Final = re.compile(rb"(?<=" + _NAMED + rb")[\w-]+", re.ASCII)

#: What a chunk begins with: the rest of the name, where it begins amid it, and the value.
_REST: Final = "|".join(NAME[at:] for at in range(1, len(NAME) + 1))
_FIRST: Final = re.compile(rb"(?:(" + _REST.encode("ascii") + rb")=)?([\w-]+)", re.ASCII)

#: Characters of the name that are no other name's end.
_OUR_END: Final = 4

#: Fewer characters of a session's 43 at the beginning of a chunk say too little.
_LEAST: Final = 10

#: So many without a digit among them are hardly a word.
_LONG: Final = 22


def is_in(data: bytes) -> bool:
    return _NAMED in data


def is_told(text: str) -> bool:
    return f"{NAME}=" in text


def without(data: bytes) -> bytes:
    """`data`, with `*` for what the cookie is."""
    return _VALUE.sub(_hidden, data) if _NAMED in data else data


def without_in_chunk(data: bytes) -> bytes:
    """The same of the beginning of a chunk, before which there may have been half of it: then
    what it begins with is hidden, if it may be a part of a session's secret."""
    first = _FIRST.match(data)
    if first is not None and (len(first[1] or b"") >= _OUR_END or _may_be_secret(first[2])):
        data = data[: first.start(2)] + b"*" * len(first[2]) + data[first.end() :]
    return without(data)


def _may_be_secret(run: bytes) -> bool:
    """Made at random of small and large letters and digits, it has all of them."""
    kinds = (rb"[a-z]", rb"[A-Z]") if len(run) >= _LONG else (rb"[a-z]", rb"[A-Z]", rb"[0-9]")
    return len(run) >= _LEAST and all(re.search(kind, run) for kind in kinds)


def _hidden(found: re.Match[bytes]) -> bytes:
    return b"*" * len(found[0])
