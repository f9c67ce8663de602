"""T36: what was changed is in the audit, whoever did it, and nobody takes it out again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from tests.clients import Client
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json, definition
from tests.threats.people import LONG_ENOUGH, browser_of, client, token, user
from tests.waiting import eventually


def newest(api: Api, target: str) -> list[Json]:
    """Of one thing, the newest first."""
    items: list[Json] = api.get("audit", limit=500)["items"]
    return [entry for entry in items if entry["target"] == target]


def test_t36_every_act_on_a_server_says_who_what_and_from_where(api: Api) -> None:
    who = user(api, "admin")
    with client(api.url, session=api.log_in(who, LONG_ENOUGH)) as admin:
        body = definition()
        name = str(body["name"])
        assert admin.post("/api/v1/servers", json=body).status_code == 201
        admin.post(f"/api/v1/servers/{name}/restart")
        admin.patch(f"/api/v1/servers/{name}", json={"limits": {"idle_timeout_s": 7}})
        admin.post(f"/servers/{name}/stop")
        admin.post(f"/servers/{name}/start")
        with Client(api.get(f"servers/{name}")) as peer:
            connection = eventually(lambda: api.connections(name))[0]
            admin.delete(f"/api/v1/servers/{name}/connections/{connection['id']}")
            assert peer.sock.recv(1) == b""
        admin.post(f"/servers/{name}/delete")
    found = newest(api, name)[::-1]
    assert [entry["what"] for entry in found] == [
        *("server.create", "server.restart", "server.change", "server.stop", "server.start"),
        *("server.disconnect", "server.delete"),
    ]
    assert {(e["who"], e["kind"], e["address"]) for e in found} == {(who, "user", "127.0.0.1")}
    assert found[0]["after"]["handler"] == "echo"
    assert (found[2]["before"].keys(), found[2]["after"].keys()) == ({"limits"}, {"limits"})
    assert found[2]["after"]["limits"]["idle_timeout_s"] == 7
    assert found[5]["after"]["peer"] == connection["peer"]
    assert found[6]["before"]["handler"] == "echo"


def test_t36_what_was_refused_changed_nothing_and_is_not_in_it(
    api: Api, make_server: MakeServer
) -> None:
    name = make_server()["name"]
    before = newest(api, name)
    with browser_of(api, "viewer") as viewer:
        viewer.post(f"/servers/{name}/stop")
    api.call("PATCH", f"servers/{name}", json={"limits": {"idle_timeout_s": -1}})
    api.call("DELETE", f"servers/{name}/connections/999999")
    assert newest(api, name) == before


def test_t36_a_server_that_could_not_start_was_taken_back(api: Api) -> None:
    taken = api.post("servers", definition())
    address = {"host": "127.0.0.1", "port": taken["server_address"][1]}
    body = definition(address=address)
    assert api.call("POST", "servers", json=body).status_code == 409
    told = [entry["what"] for entry in newest(api, str(body["name"]))]
    assert told == ["server.take_back", "server.create"]
    api.delete(f"servers/{taken['name']}")


def test_t36_users_tokens_and_passwords_are_in_it_without_their_secrets(api: Api) -> None:
    name = user(api, "viewer")
    api.patch(f"users/{name}", {"role": "operator", "password": "another long password"})
    secret = token(api, "viewer")
    api.delete(f"users/{name}")
    whats = [entry["what"] for entry in newest(api, name)]
    assert whats == ["user.delete", "user.change", "user.create"]
    change = newest(api, name)[1]
    assert change["before"] == {"role": "viewer"}
    assert change["after"] == {"role": "operator", "new_password": True}
    everything = json.dumps(api.get("audit", limit=500))
    for hidden in (secret, LONG_ENOUGH, "another long password", "argon2"):
        assert hidden not in everything


def test_t36_purging_the_log_leaves_a_row(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    for _ in range(3):
        with Client(server) as peer:
            assert peer.ask(b"to be purged") == b"to be purged"
    api.finished(server["name"], 3)
    line = f"server:{server['name']}"
    planned = api.post("log/deletions", {"q": line})
    eventually(lambda: api.get(f"log/deletions/{planned['id']}")["state"] == "counted")
    api.post(f"log/deletions/{planned['id']}/confirm", {"rows": 3})
    eventually(lambda: api.get(f"log/deletions/{planned['id']}")["state"] == "done")

    def told() -> list[Json]:
        items: list[Json] = api.get("audit", limit=100)["items"]
        return [e for e in items if line in json.dumps((e["before"], e["after"]))]

    eventually(lambda: len(told()) == 2)
    end, begin = told()
    assert (begin["what"], begin["before"]) == ("requests.delete", {"q": line, "rows": 3})
    assert end["what"] == "requests.delete_end"
    assert end["after"] == {"q": line, "rows": 3, "state": "done"}


STATEMENTS = (
    *("DELETE FROM audit", "UPDATE audit SET who = 'nobody'"),
    *(
        f"INSERT OR REPLACE INTO audit (id, at_us, who, kind, address, what, target) "
        f"VALUES ({number}, 1, 'nobody', 'user', '', 'x', 'x')"
        for number in ("(SELECT min(id) FROM audit)", -1, 0)
    ),
)


def test_t36_nobody_changes_it(app_thread: AppThread, api: Api, make_server: MakeServer) -> None:
    make_server()
    before = api.get("audit", limit=500)
    for method in ("DELETE", "PATCH", "PUT", "POST"):
        assert api.call(method, "audit").status_code == 405
        assert api.call(method, "audit/1").status_code in (404, 405)
    with closing(sqlite3.connect(app_thread.data_dir / "control.sqlite3")) as database:
        for statement in STATEMENTS:
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                database.execute(statement)
    assert api.get("audit", limit=500) == before


def test_t36_it_is_paged_and_exported_whole(api: Api, make_server: MakeServer) -> None:
    make_server()
    make_server()
    pages, before = [], None
    while True:
        page = api.get("audit", limit=7, **({} if before is None else {"before": before}))
        pages += [entry["number"] for entry in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert pages == sorted(pages, reverse=True)
    assert pages[-1] == 1
    answer = api.client.get("/api/v1/audit/export")
    assert "attachment" in answer.headers["content-disposition"]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["number"] for line in lines] == pages
    assert lines[-1].keys() == api.get("audit", limit=1)["items"][0].keys()
    for wrong in (0, 501, "x"):
        assert api.call("GET", "audit", params={"limit": wrong}).status_code == 422
