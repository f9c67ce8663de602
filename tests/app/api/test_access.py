"""Users, sessions and tokens over REST: what is given, what is taken, and how it is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from tests.conftest import MakeServer, app_in_a_thread
from tests.running import TOKEN, Api, AppThread, Json
from tests.threats.people import LONG_ENOUGH, client, token, user

USER = {"name", "role", "created"}
SESSION = {"id", "user", "created", "seen", "address", "agent", "current"}
TOKEN_FIELDS = {
    *("id", "name", "role", "servers", "created", "created_by", "expires", "used"),
}


@pytest.fixture
def alone() -> Iterator[AppThread]:
    """An app whose only user is `admin`."""
    with app_in_a_thread() as made:
        yield made


@pytest.fixture
def gone(api: Api, name: str) -> Iterator[str]:
    """The name of a user that is deleted in the end, if it is there."""
    yield name
    assert api.call("DELETE", f"users/{name}").status_code in (204, 404)


def listed(api: Api, path: str, **facts: object) -> list[Json]:
    """Those of a list that have all of `facts`."""
    items = api.get(path)["items"]
    return [item for item in items if facts.items() <= item.items()]


def id_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


# -- me ---------------------------------------------------------------------------------------


def test_me_is_who_asks(api: Api, make_server: MakeServer) -> None:
    names = sorted(make_server(wanted="stopped")["name"] for _ in range(2))
    viewer = user(api, "viewer")
    with client(api.url, session=api.log_in(viewer, LONG_ENOUGH)) as browser:
        me = browser.get("/api/v1/me").json()
    assert me == {"kind": "user", "name": viewer, "role": "viewer", "servers": None}
    with client(api.url, bearer=token(api, "operator", servers=names[::-1])) as program:
        me = program.get("/api/v1/me").json()
    assert (me["kind"], me["role"], me["servers"]) == ("token", "operator", names)


def test_who_shows_nothing_is_told_how_to(api: Api) -> None:
    nobody = Api(api.url, token=None)
    problem = nobody.refused(401, "GET", "me")
    assert (problem["code"], problem["field"], problem["errors"]) == ("no_login", None, [])
    assert nobody.call("GET", "me").headers["www-authenticate"] == "Bearer"
    nobody.close()


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
def test_the_scheme_is_written_in_any_case(api: Api, scheme: str) -> None:
    with client(api.url) as program:
        answer = program.get("/api/v1/me", headers={"Authorization": f"{scheme} {TOKEN}"})
    assert answer.json()["kind"] == "deployment"


# -- users ------------------------------------------------------------------------------------


def test_a_user_is_made_listed_changed_and_deleted(api: Api, gone: str) -> None:
    made = api.post("users", {"name": gone, "role": "viewer", "password": LONG_ENOUGH})
    assert made.keys() == USER
    assert (made["name"], made["role"]) == (gone, "viewer")
    assert listed(api, "users", name=gone) == [made]
    assert api.patch(f"users/{gone}", {}) == made
    changed = api.patch(f"users/{gone}", {"role": "operator", "password": "x" * 12})
    assert changed == {**made, "role": "operator"}
    assert api.log_in(gone, "x" * 12)
    api.delete(f"users/{gone}")
    assert listed(api, "users", name=gone) == []


def test_users_are_listed_by_name(alone: AppThread) -> None:
    for name in ("zoe", "ana"):
        user(alone.api, "viewer", name)
    listing = alone.api.get("users")
    assert [item["name"] for item in listing["items"]] == ["admin", "ana", "zoe"]
    assert listing["next"] is None
    assert "argon2" not in str(listing)


def test_a_name_is_taken_once(api: Api, gone: str) -> None:
    user(api, "viewer", gone)
    body = {"name": gone, "role": "admin", "password": LONG_ENOUGH}
    problem = api.refused(409, "POST", "users", json=body)
    assert (problem["code"], problem["field"]) == ("name_taken", "name")
    assert gone in problem["detail"]
    assert listed(api, "users", name=gone)[0]["role"] == "viewer"


def test_the_last_admin_stays(alone: AppThread) -> None:
    api = alone.api
    user(api, "operator", "ana")
    for method, body in (("DELETE", None), ("PATCH", {"role": "viewer"})):
        problem = api.refused(409, method, "users/admin", json=body)
        assert (problem["code"], problem["field"]) == ("last_admin", None)
    api.patch("users/ana", {"role": "admin"})
    api.delete("users/admin")
    assert [(item["name"], item["role"]) for item in api.get("users")["items"]] == [
        ("ana", "admin")
    ]


@pytest.mark.parametrize("name", ["nobody", "..%2Fadmin", "%00", "%ED%A0%80", "A" * 2_000])
def test_a_user_that_is_not_there_is_not_found(api: Api, name: str) -> None:
    assert api.refused(404, "DELETE", f"users/{name}")["status"] == 404
    assert api.refused(404, "PATCH", f"users/{name}", json={"role": "admin"})["status"] == 404


def test_who_is_not_found_has_a_code(api: Api) -> None:
    problem = api.refused(404, "DELETE", "users/nobody")
    assert (problem["code"], problem["field"]) == ("user_not_found", None)
    assert problem["detail"] == "There is no user named 'nobody'."


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"name": "no name"}, "name_malformed", "name"),
        ({"role": "root"}, "unknown_role", "role"),
        ({"password": "short"}, "password_length", "password"),
        ({"password": None}, "wrong_type", "password"),
        ({"email": "x"}, "unknown_field", "email"),
    ],
)
def test_a_wrong_field_of_a_user_is_named(
    api: Api, name: str, changes: Json, code: str, field: str
) -> None:
    body = {"name": name, "role": "viewer", "password": LONG_ENOUGH, **changes}
    problem = api.refused(422, "POST", "users", json=body)
    assert (problem["code"], problem["field"]) == (code, field)
    assert [error["field"] for error in problem["errors"]] == [field]
    assert listed(api, "users", name=name) == []


def test_a_password_that_utf_8_cannot_write_is_refused(api: Api, gone: str) -> None:
    """JSON can spell a lone surrogate."""
    headers = {"Content-Type": "application/json"}
    password = b'"password": "\\ud800 and ten more"'
    body = b'{"name": "' + gone.encode() + b'", "role": "viewer", ' + password + b"}"
    problem = api.refused(422, "POST", "users", content=body, headers=headers)
    assert (problem["code"], problem["field"]) == ("password_malformed", "password")
    user(api, "viewer", gone)
    change = b"{" + password + b"}"
    problem = api.refused(422, "PATCH", f"users/{gone}", content=change, headers=headers)
    assert problem["field"] == "password"
    assert api.log_in(gone, LONG_ENOUGH)


@pytest.mark.parametrize("path", ["users", "tokens"])
def test_a_body_that_is_none_is_told_of(api: Api, path: str) -> None:
    json_type = {"Content-Type": "application/json"}
    assert api.refused(415, "POST", path, data={"name": "x"})["code"] == "not_json"
    broken = api.refused(400, "POST", path, content=b"{", headers=json_type)
    assert broken["code"] == "invalid_json"
    listed_ = api.refused(422, "POST", path, json=["x"])
    assert (listed_["code"], listed_["field"]) == ("wrong_type", "body")


# -- sessions ---------------------------------------------------------------------------------


def test_a_user_sees_and_ends_its_own_sessions(api: Api) -> None:
    name = user(api, "operator")
    other, here = (api.log_in(name, LONG_ENOUGH) for _ in range(2))
    with client(api.url, session=here) as browser:
        found = browser.get("/api/v1/sessions").json()["items"]
        assert {session["id"]: session["current"] for session in found} == {
            id_of(here): True,
            id_of(other): False,
        }
        assert all(session.keys() == SESSION for session in found)
        assert {(s["user"], s["address"]) for s in found} == {(name, "127.0.0.1")}
        assert all(session["agent"].startswith("python-httpx") for session in found)
        assert browser.delete(f"/api/v1/sessions/{id_of(other)}").status_code == 204
        assert len(browser.get("/api/v1/sessions").json()["items"]) == 1


def test_an_admin_sees_and_ends_everybodys(api: Api) -> None:
    name = user(api, "viewer")
    secret = api.log_in(name, LONG_ENOUGH)
    (found,) = listed(api, "sessions", user=name)
    assert (found["id"], found["current"]) == (id_of(secret), False)
    api.delete(f"sessions/{found['id']}")
    assert listed(api, "sessions", user=name) == []
    problem = api.refused(404, "DELETE", f"sessions/{found['id']}")
    assert (problem["code"], problem["field"]) == ("session_not_found", None)


@pytest.mark.parametrize("scoped", [False, True])
def test_a_token_with_the_name_of_a_user_is_not_that_user(
    api: Api, make_server: MakeServer, scoped: bool
) -> None:
    name = user(api, "viewer")
    secret = api.log_in(name, LONG_ENOUGH)
    servers = [make_server(wanted="stopped")["name"]] if scoped else None
    made = api.post("tokens", {"name": name, "role": "operator", "servers": servers})
    with client(api.url, bearer=made["token"]) as program:
        assert program.get("/api/v1/sessions").json()["items"] == []
        assert program.delete(f"/api/v1/sessions/{id_of(secret)}").status_code == 404
    assert len(listed(api, "sessions", user=name)) == 1


# -- tokens -----------------------------------------------------------------------------------


def test_a_token_is_made_listed_and_taken_back(api: Api, name: str) -> None:
    made = api.post("tokens", {"name": name, "role": "viewer", "days": 7})
    assert made.keys() == TOKEN_FIELDS | {"token"}
    secret = made.pop("token")
    assert listed(api, "tokens", name=name) == [made]
    facts = {"name": name, "role": "viewer", "servers": None, "created_by": "token", "used": None}
    assert facts.items() <= made.items()
    lasts = datetime.fromisoformat(made["expires"]) - datetime.fromisoformat(made["created"])
    assert lasts == timedelta(days=7)
    with client(api.url, bearer=secret) as program:
        assert program.get("/api/v1/me").json()["name"] == name
    api.delete(f"tokens/{made['id']}")
    assert listed(api, "tokens", name=name) == []
    problem = api.refused(404, "DELETE", f"tokens/{made['id']}")
    assert (problem["code"], problem["field"]) == ("token_not_found", None)


def test_the_newest_token_comes_first(alone: AppThread) -> None:
    made = [alone.api.post("tokens", {"name": "ci", "role": "viewer"}) for _ in range(3)]
    created = [item["created"] for item in alone.api.get("tokens")["items"]]
    assert created == sorted((each["created"] for each in made), reverse=True)


def test_every_wrong_field_of_a_token_is_told(api: Api) -> None:
    body = {"name": " ", "role": "root", "days": 0, "servers": ["never-was"]}
    problem = api.refused(422, "POST", "tokens", json=body)
    assert [(error["code"], error["field"]) for error in problem["errors"]] == [
        ("name_malformed", "name"),
        ("unknown_role", "role"),
        ("unknown_server", "servers"),
        ("limit_range", "days"),
    ]
    assert (problem["code"], problem["field"]) == ("name_malformed", "name")
