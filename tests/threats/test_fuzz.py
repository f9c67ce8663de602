"""What strangers and users write, made up at random: the search line, framings and captures.

Nothing crashes, whatever comes; what is refused is refused by name. Short here, long in
`make torture`.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain import RequestDetail
from app.errors import Invalid
from app.export import EXPORTS
from app.search.line import format as line_of
from app.search.line import parse
from sockcore import FrameError
from tests.app.export.samples import requests
from tests.hostile import PAYLOADS
from tests.promises.serving import short_and_full
from tests.sockcore.test_framing import FRAMINGS

#: What lines are made of, so that chance finds more than plain words.
TOKENS = st.sampled_from(
    [
        *("server:", "peer:", "kind:", "outcome:", "dir:", "size:", "took:", "after:", "before:"),
        *("hex:", "-", '"', "\\", " ", ":", ">", "<", ">=", "<=", "=", "1k", "100ms", "-15m"),
        *("2026-11-23T10:00", "0d0a", "\0", "\ud800", "'", ";", "%", "_", "*", "龍", "(a+)+$"),
        *(payload.data.decode("utf-8", "replace")[:80] for payload in PAYLOADS),
    ]
)
LINES = st.lists(TOKENS | st.text(max_size=8), max_size=12).map("".join)

examples = short_and_full("examples", 200, 20_000, full_s=900)


def _bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


@examples
def test_any_search_line_is_understood_or_refused(examples: int) -> None:
    fields: set[str] = set()

    @_bounded(examples)
    @given(LINES)
    def any_line(line: str) -> None:
        try:
            found = parse(line)
        except Invalid as refused:
            fields.update(error.field for error in refused.fields)
            return
        assert parse(line_of(found)) == found

    any_line()
    assert fields == {"q"}


@pytest.mark.parametrize("framing", list(FRAMINGS.values()), ids=list(FRAMINGS))
@examples
def test_any_bytes_are_framed_or_refused(framing: object, examples: int) -> None:
    @_bounded(examples)
    @given(st.lists(st.binary(max_size=40), max_size=12), st.integers(4, 300))
    def any_bytes(parts: list[bytes], limit: int) -> None:
        decoder = framing.decoder(limit)  # type: ignore[attr-defined]
        with contextlib.suppress(FrameError):
            for part in parts:
                for message in decoder.feed(part):
                    assert len(message) <= limit
            decoder.rest()

    any_bytes()


@pytest.mark.parametrize("name", sorted(EXPORTS))
@short_and_full("examples", 40, 4_000, full_s=900)
def test_any_request_is_exported(name: str, examples: int) -> None:
    @_bounded(examples)
    @given(st.lists(requests(), max_size=3))
    def any_requests(details: list[RequestDetail]) -> None:
        pieces = list(EXPORTS[name].encode(iter(details)))
        assert all(isinstance(piece, bytes) for piece in pieces)

    any_requests()
