"""T13: a token is shown once, kept as a hash, ends when it is to, and stands in no address."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.errors import Invalid
from app.services.tokens import PREFIX, Tokens
from app.store.database import Database
from app.store.tokens import TokenTable
from app.who import SOCKPIT
from tests.conftest import MakeServer
from tests.running import Api, AppThread
from tests.threats.people import DOWNLOADS, broken_off, client, token

DAY_US = 86_400_000_000


def test_t13_its_secret_is_told_once(app_thread: AppThread, api: Api) -> None:
    made = api.post("tokens", {"name": "told once", "role": "viewer", "days": 1})
    secret = made["token"]
    assert secret.startswith(PREFIX)
    assert len(secret) >= 40
    (listed,) = (t for t in api.get("tokens")["items"] if t["id"] == made["id"])
    assert "token" not in listed
    assert secret not in api.pages.get("/tokens").text
    page = api.pages.post("/tokens", data={"name": "by a page", "role": "viewer"})
    assert page.status_code == 201
    assert page.text.count(PREFIX) >= 2  # to read and to copy
    kept = b"".join(p.read_bytes() for p in app_thread.data_dir.rglob("*") if p.is_file())
    assert hashlib.sha256(secret.encode()).hexdigest().encode() in kept
    assert secret.encode() not in kept


def test_t13_it_is_good_until_it_is_revoked_and_its_use_is_told(api: Api) -> None:
    made = api.post("tokens", {"name": "revoked later", "role": "viewer"})
    assert made["used"] is None
    with client(api.url, bearer=made["token"]) as program:
        assert program.get("/api/v1/me").json()["kind"] == "token"
        (listed,) = (t for t in api.get("tokens")["items"] if t["id"] == made["id"])
        assert listed["used"] is not None
        api.delete(f"tokens/{made['id']}")
        assert program.get("/api/v1/me").status_code == 401
    assert api.call("DELETE", f"tokens/{made['id']}").status_code == 404


@pytest.mark.parametrize("path", DOWNLOADS)
def test_t13_a_download_ends_with_its_token(
    full: AppThread, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.deps.LOOK_S", 0.0)
    made = full.api.post("tokens", {"name": "revoked amid", "role": "admin"})
    with client(full.url, bearer=made["token"]) as program:
        broken_off(program, path, lambda: full.api.delete(f"tokens/{made['id']}"))
        assert program.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("path", DOWNLOADS)
def test_t13_a_download_of_one_who_may_is_whole(
    full: AppThread, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("app.deps.LOOK_S", 0.0)
    assert len(full.api.client.get(path).content) > 10_000_000


def test_t13_it_ends_on_its_day(tmp_path: Path) -> None:
    now = [10**15]
    database = Database(tmp_path / "control.sqlite3")
    tokens = Tokens(TokenTable(database), None, lambda: (), lambda: now[0])
    body = {"name": "a day", "role": "operator", "days": 1}
    _, secret = tokens.make(body, SOCKPIT)
    now[0] += DAY_US - 1
    found = tokens.find(secret, "192.0.2.1")
    assert found is not None
    assert (found.role, found.servers) == ("operator", None)
    now[0] += 1
    assert tokens.find(secret, "192.0.2.1") is None
    database.close()


@pytest.mark.parametrize("path", ["servers", "me", "events", "requests/export?format=csv"])
def test_t13_an_address_is_no_place_for_it(api: Api, path: str) -> None:
    secret = token(api, "admin")
    join = "&" if "?" in path else "?"
    with client(api.url) as program:
        for name in ("token", "access_token", "api_key", "authorization"):
            assert program.get(f"/api/v1/{path}{join}{name}={secret}").status_code == 401


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("name", {"role": "viewer"}),
        ("name", {"name": " ", "role": "viewer"}),
        ("name", {"name": "two\nlines", "role": "viewer"}),
        ("role", {"name": "x"}),
        ("role", {"name": "x", "role": "root"}),
        ("days", {"name": "x", "role": "viewer", "days": 0}),
        ("days", {"name": "x", "role": "viewer", "days": "7"}),
        ("servers", {"name": "x", "role": "viewer", "servers": []}),
        ("servers", {"name": "x", "role": "viewer", "servers": ["never-was"]}),
        ("servers", {"name": "x", "role": "viewer", "servers": "all"}),
        ("scope", {"name": "x", "role": "viewer", "scope": "all"}),
    ],
)
def test_t13_what_is_none_is_refused_by_its_field(
    api: Api, field: str, body: dict[str, object]
) -> None:
    before = api.get("tokens")
    assert api.refused(422, "POST", "tokens", json=body)["field"] == field
    assert api.get("tokens") == before


def test_t13_the_scope_is_told(api: Api, make_server: MakeServer) -> None:
    name = make_server()["name"]
    made = api.post("tokens", {"name": "scoped", "role": "viewer", "servers": [name, name]})
    assert made["servers"] == [name]
    with client(api.url, bearer=made["token"]) as program:
        assert program.get("/api/v1/me").json()["servers"] == [name]


def test_t13_a_body_that_is_none_names_what_is_missing(tmp_path: Path) -> None:
    database = Database(tmp_path / "control.sqlite3")
    tokens = Tokens(TokenTable(database), None, lambda: ())
    with pytest.raises(Invalid) as refused:
        tokens.make({}, SOCKPIT)
    assert [e.field for e in refused.value.fields] == ["name", "role"]
    database.close()


def test_t13_the_audit_says_which_tokens_a_deleted_server_left(
    api: Api, make_server: MakeServer
) -> None:
    name, other = make_server()["name"], make_server()["name"]
    api.post("tokens", {"name": "for the deleted", "role": "viewer", "servers": [name, other]})
    made = api.post("tokens", {"name": "for that alone", "role": "viewer", "servers": [name]})
    api.delete(f"servers/{name}")
    act = api.get("audit", limit=1)["items"][0]
    assert (act["what"], act["target"]) == ("server.delete", name)
    assert sorted(act["after"]["tokens"]) == ["for that alone", "for the deleted"]
    (left,) = (t for t in api.get("tokens")["items"] if t["id"] == made["id"])
    assert left["servers"] == []
    assert "none any more" in api.pages.get("/tokens").text
    api.delete(f"servers/{other}")
    assert api.get("audit", limit=1)["items"][0]["after"] == {"tokens": ["for the deleted"]}
