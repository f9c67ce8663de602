"""What is kept of the log, over REST. The app is its own: it loses its days."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import Client
from tests.conftest import app_in_a_thread
from tests.running import Api, AppThread, definition


@pytest.fixture
def app() -> Iterator[AppThread]:
    with app_in_a_thread() as made:
        yield made


def logged(api: Api) -> str:
    """The day of one request that is in the log."""
    server = api.post("servers", definition())
    with Client(server) as client:
        client.ask(b"hello")
    (row,) = api.finished(server["name"], 1)
    return str(row["id"]).partition("-")[0]


def test_rules_are_read_and_changed(app: AppThread) -> None:
    api = app.api
    found = api.get("log/retention")
    assert (found["max_age_days"], found["max_bytes"], found["bytes"]) == (30, 10_000_000_000, 0)
    assert (found["oldest"], found["days_left"]) == (None, None)
    assert api.patch("log/retention", {"max_age_days": 7})["max_age_days"] == 7
    assert api.get("log/retention")["max_bytes"] == 10_000_000_000


def test_what_is_wrong_with_rules_is_a_problem_document(app: AppThread) -> None:
    body = {"max_age_days": -1, "max_bytes": 1}
    problem = app.api.refused(422, "PATCH", "log/retention", json=body)
    assert [error["field"] for error in problem["errors"]] == ["max_age_days", "max_bytes"]
    app.api.refused(415, "PATCH", "log/retention", content=b"{}")
    assert app.api.get("log/retention")["max_age_days"] == 30


def test_a_day_is_listed_and_deleted(app: AppThread) -> None:
    api = app.api
    day = logged(api)
    (listed,) = api.get("log/days")["items"]
    assert (listed["day"], listed["rows"]) == (day, 1)
    assert listed["bytes"] == api.get("log/retention")["bytes"] > 0
    api.delete(f"log/days/{day}")
    assert api.get("log/days") == {"items": [], "next": None}
    assert api.get("requests")["items"] == []
    problem = api.refused(404, "DELETE", f"log/days/{day}")
    assert problem["code"] == "day_not_found"
    assert logged(api) == day, "the log goes on"
