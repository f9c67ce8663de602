"""Gaps over REST: in the listing at their place, and told while they are noted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.log_facts import Gap
from tests.app.api.test_shapes import GAP, shape
from tests.clients import ask
from tests.conftest import app_in_a_thread
from tests.running import AppThread, Json, definition
from tests.waiting import eventually
from tests.watching import watching


@pytest.fixture(scope="module")
def alone() -> Iterator[AppThread]:
    """An app of these tests: gaps are of the whole log."""
    with app_in_a_thread() as app:
        yield app


def note(app: AppThread, **changes: object) -> Json:
    """Have a gap noted. Returns: what the stream of events tells of it."""
    facts = {"reason": "dropped", "began_us": 0, "ended_us": 1_500_000, "missing": 7}
    with watching(app.url) as watch:
        app.sockpit.recorder.note(Gap(**{**facts, **changes}))  # type: ignore[arg-type]
        (told,) = eventually(lambda: watch.data("log.gap"))
    return told


def test_a_gap_stands_in_the_listing_after_the_row_before_it(alone: AppThread) -> None:
    api = alone.api
    server = api.post("servers", definition(name="x"))
    ask(server, b"one")
    (first,) = api.finished("x", 1)
    told = note(alone)
    assert shape(told) == GAP
    assert told == {
        "reason": "dropped",
        "began_at": "1970-01-01T00:00:00.000000Z",
        "ended_at": "1970-01-01T00:00:01.500000Z",
        "missing": 7,
        "after": first["id"],
    }
    ask(server, b"two")
    api.finished("x", 2)
    for params in ({}, {"server": "x"}, {"q": "server:x"}, {"q": "after:1970-01-01T00:00:01"}):
        assert told in api.get("requests", **params)["gaps"], params
    for line in ("one", "peer:127.", "outcome:ok", "before:1970-01-01"):
        assert api.get("requests", q=line)["gaps"] == [], line
    newest = api.get("requests", limit=1)
    assert told not in newest["gaps"]
    assert told in api.get("requests", limit=1, before=newest["next"])["gaps"]
    assert told not in api.get("requests", after=told["after"])["gaps"]
    assert api.get("requests/count")["rows"] == 2
    stats = api.get("log/stats")
    assert (stats["received"], stats["stored"], stats["dropped"]) == (2, 2, 0)


def test_what_nobody_knows_is_null(alone: AppThread) -> None:
    told = note(alone, reason="unclean", missing=None)
    assert (told["reason"], told["missing"]) == ("unclean", None)


def test_exports_have_it(alone: AppThread) -> None:
    note(alone, missing=12)
    csv = alone.api.call("GET", "requests/export", params={"format": "csv"}).text
    assert "dropped: 12 missing" in csv
    lines = alone.api.call("GET", "requests/export", params={"format": "jsonl"}).text
    assert '"missing":12' in lines
