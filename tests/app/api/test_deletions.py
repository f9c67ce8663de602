"""Deleting what a search finds, over REST. The app is its own: it loses its requests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients import ask
from tests.conftest import app_in_a_thread
from tests.running import Api, AppThread, Json, definition
from tests.waiting import equal, eventually

PATH = "log/deletions"


@pytest.fixture
def app() -> Iterator[AppThread]:
    with app_in_a_thread() as made:
        yield made


@pytest.fixture
def api(app: AppThread) -> Api:
    """Two requests that say ping and one that says pong."""
    server = app.api.post("servers", definition(name="echo"))
    for said in (b"ping 1", b"pong", b"ping 2"):
        ask(server, said)
    app.api.finished("echo", 3)
    return app.api


def counted(api: Api, **body: str) -> Json:
    answer = api.call("POST", PATH, json=body)
    assert answer.status_code == 202, answer.text
    planned = answer.json()
    assert answer.headers["location"] == f"/api/v1/{PATH}/{planned['id']}"

    def is_counted() -> Json:
        found = api.get(f"{PATH}/{planned['id']}")
        return found if found["state"] == "counted" else None

    return eventually(is_counted)


def left(api: Api) -> list[str]:
    return [row["preview"] for row in api.requests("echo")]


def test_it_is_counted_confirmed_and_deleted(api: Api) -> None:
    rows = api.requests("echo")
    found = counted(api, q="ping")
    assert (found["q"], found["rows"], found["servers"]) == ("ping", 2, {"echo": 2})
    began = sorted(row["started_at"] for row in rows if row["preview"].startswith("ping"))
    assert (found["upto"], found["deleted"]) == (rows[0]["id"], 0)
    assert [found["oldest"], found["newest"]] == began
    ask(api.get("servers/echo"), b"ping 3")
    api.finished("echo", 4)
    where = f"{PATH}/{found['id']}"
    assert api.post(f"{where}/confirm", {"rows": 2})["state"] in ("deleting", "done")
    equal(lambda: api.get(where)["state"], "done")
    assert api.get(where)["deleted"] == 2
    assert left(api) == ["ping 3", "pong"]


def test_a_server_alone_may_be_named(api: Api) -> None:
    assert counted(api, server="echo")["rows"] == 3
    assert counted(api, server="echo", q="pong")["q"] == "server:echo pong"


def test_it_is_cancelled(api: Api) -> None:
    where = f"{PATH}/{counted(api, q='ping')['id']}"
    assert api.done("DELETE", where)["state"] == "cancelled"
    problem = api.refused(409, "POST", f"{where}/confirm", json={"rows": 2})
    assert problem["code"] == "deletion_not_counted"
    assert len(left(api)) == 3


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"q": "colour:red"}, "search_unknown_key", "q"),
        ({"q": ""}, "search_empty", "q"),
        ({}, "search_empty", "q"),
        ({"q": 1}, "wrong_type", "q"),
        ({"server": 1}, "wrong_type", "server"),
        ({"all": True}, "unknown_field", "all"),
    ],
)
def test_what_is_wrong_with_it_is_a_problem_document(
    api: Api, body: Json, code: str, field: str
) -> None:
    problem = api.refused(422, "POST", PATH, json=body)
    assert (problem["code"], problem["field"]) == (code, field)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"rows": 3}, "wrong_count"),
        ({"rows": "2"}, "wrong_type"),
        ({"rows": True}, "wrong_type"),
        ({}, "missing_field"),
    ],
)
def test_what_does_not_confirm_it_deletes_nothing(api: Api, body: Json, code: str) -> None:
    where = f"{PATH}/{counted(api, q='ping')['id']}"
    problem = api.refused(422, "POST", f"{where}/confirm", json=body)
    assert (problem["code"], problem["field"]) == (code, "rows")
    assert api.get(where)["state"] == "counted"
    assert len(left(api)) == 3


def test_one_that_is_not_there(api: Api) -> None:
    for method, path in (("GET", "x"), ("DELETE", "x"), ("POST", "x/confirm")):
        request = {"json": {"rows": 1}} if method == "POST" else {}
        problem = api.refused(404, method, f"{PATH}/{path}", **request)
        assert problem["code"] == "deletion_not_found"
