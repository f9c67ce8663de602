"""T10: a viewer changes nothing; a token for one server sees that one, by whatever way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from typing import Any

import httpx2
import pytest

from app.log_facts import Gap
from tests.clients import Client
from tests.conftest import MakeServer, app_in_a_thread
from tests.running import Api, AppThread, Json, definition
from tests.threats.people import browser_of, client, token
from tests.waiting import eventually
from tests.watching import watching

#: Of exports.
_names = count(0xA10)


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


def test_t10_a_refusal_names_nothing_else(api: Api, scoped: httpx2.Client, mine: Json) -> None:
    """What there is else stands in lists that a token for some servers does not get."""
    api.post("certificates/self-signed", {"name": "secret-cert", "hosts": ["127.0.0.1"]})
    path = f"/api/v1/servers/{mine['name']}"
    for body in (
        {"tls": {"certificate": "never-was"}},
        {"tls": {"certificate": "secret-cert", "client_ca": "never-was"}},
        {"handler": "never-was"},
        {"handler": "never-was.py:Gone"},
    ):
        refused = scoped.patch(path, json=body)
        assert refused.status_code == 422, body
        said = refused.json()["detail"]
        assert "never-was" in said
        for hidden in ("secret-cert", "clock", "discard", "echo"):
            assert hidden not in said.replace("never-was", ""), said


def test_t10_a_scoped_token_is_told_of_no_gap() -> None:
    """What the log lacks is counted over all servers."""
    with app_in_a_thread() as app:
        mine = app.api.post("servers", definition())
        bearer = token(app.api, "admin", servers=[mine["name"]])
        with (
            watching(app.url) as all_,
            watching(app.url, bearer=bearer) as some,
            watching(app.url, bearer=bearer, server=mine["name"]) as one,
        ):
            gap = Gap(reason="dropped", began_us=0, ended_us=1, missing=4711)
            app.sockpit.recorder.note(gap)
            eventually(lambda: all_.data("log.gap"))
            talk(app.api, mine, b"after it")
            for watch in (some, one):
                eventually(partial(watch.data, "request"))
                assert watch.data("log.gap") == []
        _lists_without_gaps(app, bearer, mine["name"])


def _lists_without_gaps(app: AppThread, bearer: str, name: str) -> None:
    with client(app.url, bearer=bearer) as scoped:
        for params in ({}, {"server": name}, {"q": f"server:{name}"}):
            assert app.api.get("requests", **params)["gaps"] != []
            assert scoped.get("/api/v1/requests", params=params).json()["gaps"] == []
        export = {"format": "jsonl"}
        assert "4711" in app.api.call("GET", "requests/export", params=export).text
        assert "4711" not in scoped.get("/api/v1/requests/export", params=export).text


def test_t10_a_server_of_the_same_name_is_another_one(api: Api, make_server: MakeServer) -> None:
    old, stays = make_server()["name"], make_server()["name"]
    before = token(api, "admin", servers=[old])
    both = token(api, "admin", servers=[old, stays])
    api.delete(f"servers/{old}")
    make_server(name=old)
    with client(api.url, bearer=before) as nothing, client(api.url, bearer=both) as rest:
        for asker, seen in ((nothing, []), (rest, [stays])):
            assert asker.get("/api/v1/me").json()["servers"] == seen
            listed = asker.get("/api/v1/servers").json()["items"]
            assert [server["name"] for server in listed] == seen
            assert asker.delete(f"/api/v1/servers/{old}").status_code == 404
            assert asker.post("/api/v1/servers", json={}).json()["code"] == "token_scope"
        assert nothing.get("/api/v1/requests").json()["items"] == []
        assert nothing.get("/api/v1/requests/count").json()["rows"] == 0
        assert nothing.get("/api/v1/requests/export", params={"format": "jsonl"}).text == ""


def test_t10_an_export_is_of_whoever_began_it(api: Api, scoped: httpx2.Client, mine: Json) -> None:
    talk(api, mine, b"to be exported")
    name = f"{next(_names):016x}"
    params = {"format": "jsonl", "server": mine["name"], "follow": name}
    path = f"/api/v1/log/exports/{name}"
    with browser_of(api, "viewer") as owner, browser_of(api, "operator") as other:
        assert owner.get("/api/v1/requests/export", params=params).status_code == 200
        with client(api.url, bearer=token(api, "viewer")) as program:
            for stranger in (other, program, scoped):
                for method in ("GET", "DELETE"):
                    refused = stranger.request(method, path)
                    assert refused.status_code == 404
                    assert refused.json()["code"] == "export_not_found"
        for known in (owner, api.pages, api.client):
            for method in ("GET", "DELETE"):
                assert known.request(method, path).json()["state"] == "done"
