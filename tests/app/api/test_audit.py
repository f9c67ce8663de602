"""The audit over REST: pages of it, and all of it as lines. The app is its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.conftest import app_in_a_thread
from tests.running import Api, Json, definition
from tests.threats.people import user

FIELDS = {"number", "at", "who", "kind", "address", "what", "target", "before", "after"}


@pytest.fixture
def api() -> Iterator[Api]:
    """Of an app in which two acts are told: the admin was made, then a user."""
    with app_in_a_thread() as app:
        user(app.api, "viewer", "ana")
        yield app.api


def lines(api: Api) -> list[Json]:
    answer = api.client.get("/api/v1/audit/export")
    assert answer.status_code == 200
    assert answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


def test_an_act_is_told_with_who_and_from_where(api: Api) -> None:
    listing = api.get("audit")
    newest, oldest = listing["items"]
    assert newest.keys() == oldest.keys() == FIELDS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", newest.pop("at"))
    assert newest == {
        "number": 2,
        "who": "token",
        "kind": "deployment",
        "address": "127.0.0.1",
        "what": "user.create",
        "target": "ana",
        "before": None,
        "after": {"role": "viewer"},
    }
    assert (oldest["who"], oldest["kind"], oldest["address"]) == ("sockpit", "machine", "")
    assert listing["next"] is None


def test_next_is_there_while_there_is_more(api: Api) -> None:
    first = api.get("audit", limit=1)
    assert ([item["number"] for item in first["items"]], first["next"]) == ([2], "2")
    second = api.get("audit", limit=1, before=first["next"])
    assert ([item["number"] for item in second["items"]], second["next"]) == ([1], None)
    assert api.get("audit", before=1) == {"items": [], "next": None}
    assert api.get("audit", limit=2)["next"] is None, "a page that is just full is the last one"


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"limit": "0"}, "limit_range", "limit"),
        ({"limit": "501"}, "limit_range", "limit"),
        ({"limit": "-1"}, "limit_range", "limit"),
        ({"limit": "ten"}, "wrong_type", "query.limit"),
        ({"before": "0"}, "wrong_type", "query.before"),
        ({"before": "x"}, "wrong_type", "query.before"),
        ({"before": str(2**63)}, "wrong_type", "query.before"),
    ],
)
def test_a_wrong_parameter_is_named(
    api: Api, params: dict[str, str], code: str, field: str
) -> None:
    problem = api.refused(422, "GET", "audit", params=params)
    assert (problem["code"], problem["field"]) == (code, field.removeprefix("query."))


def test_all_of_it_is_saved_as_lines(api: Api) -> None:
    api.post("servers", definition(name="echo", wanted="stopped"))
    api.patch("servers/echo", {"handler_options": {"upper": True}})
    answer = api.client.get("/api/v1/audit/export")
    assert answer.headers["content-type"] == "application/x-ndjson"
    saved = answer.headers["content-disposition"]
    assert re.fullmatch(r'attachment; filename="audit-\d{8}-\d{6}\.jsonl"', saved)
    assert lines(api) == api.get("audit", limit=500)["items"]
    assert lines(api)[0]["after"] == {"handler_options": {"upper": True}}


def test_reading_it_adds_nothing_to_it(api: Api) -> None:
    before = lines(api)
    api.get("audit")
    api.refused(422, "GET", "audit", params={"limit": 0})
    assert lines(api) == before
