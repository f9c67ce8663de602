"""T10: a viewer changes nothing; a token for one server sees that one, by whatever way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.clients import Client
from tests.conftest import MakeServer
from tests.running import Api, Json
from tests.threats.people import browser_of, client, token
from tests.waiting import eventually
from tests.watching import watching


@pytest.fixture
def mine(make_server: MakeServer) -> Json:
    return make_server()


@pytest.fixture
def other(make_server: MakeServer) -> Json:
    return make_server()


@pytest.fixture
def scoped(api: Api, mine: Json) -> Iterator[httpx2.Client]:
    """A program whose admin's token is for one server."""
    with client(api.url, bearer=token(api, "admin", servers=[mine["name"]])) as asker:
        yield asker


def talk(api: Api, server: Json, data: bytes) -> Json:
    with Client(server) as peer:
        assert peer.ask(data) == data
    return api.finished(server["name"], 1)[0]


def test_t10_a_viewer_looks_at_everything(api: Api, mine: Json) -> None:
    row = talk(api, mine, b"to be looked at")
    name = mine["name"]
    with browser_of(api, "viewer") as viewer:
        for path in (
            *("/servers", f"/servers/{name}", "/requests", f"/requests/{row['id']}"),
            *(f"/requests/{row['id']}/conversation", "/requests/retention", "/handlers"),
            *("/certificates", "/account"),
        ):
            page = viewer.get(path)
            assert page.status_code == 200, path
            posts = page.text.count('method="post"')
            own = page.text.count('action="/theme"') + page.text.count('action="/logout"')
            own += page.text.count('action="/account/')
            assert posts == own, f"{path} offers a viewer what it may not do"
        assert b"to be looked at" in viewer.get(f"/api/v1/requests/{row['id']}/received").content
        export = viewer.get("/api/v1/requests/export", params={"format": "jsonl"})
        assert export.status_code == 200


def test_t10_a_viewer_changes_nothing(api: Api, mine: Json) -> None:
    name = mine["name"]
    with browser_of(api, "viewer") as viewer:
        for method, path in (
            ("POST", f"/servers/{name}/stop"),
            ("POST", f"/servers/{name}/delete"),
            ("POST", f"/api/v1/servers/{name}/stop"),
            ("DELETE", f"/api/v1/servers/{name}"),
            ("PATCH", f"/api/v1/servers/{name}"),
        ):
            refused = viewer.request(method, path)
            assert refused.status_code == 403, (method, path)
        problem = viewer.post(f"/api/v1/servers/{name}/stop").json()
        assert problem["code"] == "role_too_low"
        assert "operator" in problem["detail"]
    assert api.get(f"servers/{name}") == mine


def test_t10_an_operator_runs_servers_but_defines_none(api: Api, mine: Json) -> None:
    name = mine["name"]
    with browser_of(api, "operator") as operator:
        assert operator.post(f"/api/v1/servers/{name}/stop").status_code == 200
        assert operator.post(f"/servers/{name}/start").status_code == 303
        assert operator.patch(f"/api/v1/servers/{name}", json={}).status_code == 403
        assert operator.get("/new").status_code == 403
        page = operator.get(f"/servers/{name}").text
        assert f'action="/servers/{name}/stop"' in page
        assert f"/servers/{name}/edit" not in page
        assert "/users" not in page


def test_t10_a_scoped_token_sees_one_server(
    api: Api, scoped: httpx2.Client, mine: Json, other: Json
) -> None:
    assert [s["name"] for s in scoped.get("/api/v1/servers").json()["items"]] == [mine["name"]]
    assert scoped.get(f"/api/v1/servers/{mine['name']}").status_code == 200
    there, gone = other["name"], "never-was"
    for method, path in (
        ("GET", "servers/{}"),
        ("PATCH", "servers/{}"),
        ("DELETE", "servers/{}"),
        ("POST", "servers/{}/start"),
        ("POST", "servers/{}/stop"),
        ("POST", "servers/{}/restart"),
        ("GET", "servers/{}/connections"),
        ("DELETE", "servers/{}/connections/1"),
        ("GET", "events?server={}"),
    ):
        answers = [scoped.request(method, f"/api/v1/{path.format(n)}") for n in (there, gone)]
        assert [a.status_code for a in answers] == [404, 404], (method, path)
        # One that it is not to know of is told of in the same words as one that is not there.
        said = [
            answer.json()["detail"].replace(name, "X")
            for answer, name in zip(answers, (there, gone), strict=True)
        ]
        assert said[0] == said[1]
    assert api.get(f"servers/{there}") == other


def test_t10_a_scoped_token_sees_the_requests_of_one_server(
    api: Api, scoped: httpx2.Client, mine: Json, other: Json
) -> None:
    own, foreign = talk(api, mine, b"mine"), talk(api, other, b"other")

    def rows(**params: str) -> list[str]:
        answer = scoped.get("/api/v1/requests", params=params)
        return [row["id"] for row in answer.json()["items"]]

    def count(**params: str) -> int:
        return int(scoped.get("/api/v1/requests/count", params=params).json()["rows"])

    assert rows() == [own["id"]]
    for hidden in (
        {"server": other["name"]},
        {"q": f"server:{other['name']}"},
        {"q": "other"},
        {"q": f"-server:{mine['name']}"},
        {"q": f"server:{mine['name']}", "server": other["name"]},
    ):
        if hidden.get("server") and hidden.get("q"):
            continue  # either of them, by the rules of the line: held to its own below
        assert rows(**hidden) == []
        assert count(**hidden) == 0
    both = {"q": f"server:{mine['name']} server:{other['name']}"}
    assert rows(**both) == rows(q=f"server:{mine['name']}", server=other["name"]) == [own["id"]]
    assert scoped.get(f"/api/v1/requests/{own['id']}").status_code == 200
    for path in (f"requests/{foreign['id']}", f"requests/{foreign['id']}/received"):
        assert scoped.get(f"/api/v1/{path}").status_code == 404
    export = scoped.get("/api/v1/requests/export", params={"format": "jsonl"}).text
    found = {json.loads(line).get("server") for line in export.splitlines()}
    assert found - {None} == {mine["name"]}


def test_t10_a_scoped_token_does_nothing_that_concerns_all(scoped: httpx2.Client) -> None:
    for method, path in (
        ("POST", "servers"),
        ("GET", "log/stats"),
        ("GET", "log/retention"),
        ("GET", "certificates"),
        ("GET", "handlers"),
        ("POST", "log/deletions"),
        ("GET", "users"),
        ("POST", "tokens"),
        ("GET", "audit"),
    ):
        refused = scoped.request(method, f"/api/v1/{path}")
        assert refused.status_code == 403, path
        assert refused.json()["code"] == "token_scope"
    assert scoped.get("/api/v1/sessions").json()["items"] == []


def test_t10_a_scoped_stream_tells_of_one_server(
    api: Api, scoped: httpx2.Client, mine: Json, other: Json
) -> None:
    bearer = scoped.headers["authorization"].removeprefix("Bearer ")
    with watching(api.url, bearer=bearer) as watch:
        talk(api, other, b"other")
        talk(api, mine, b"mine")
        eventually(lambda: [d for d in watch.data("request") if d["outcome"] == "ok"])
        names = {_server(data) for _, data in watch.events()}
    assert names == {mine["name"]}


def _server(data: Any) -> object:
    return data.get("server") or data.get("name")
