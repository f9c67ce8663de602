"""Logging in and out by the pages: what is typed, what is told, and the cookie that is left."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx2
import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.web.conftest import Panel
from tests.running import PASSWORD, SESSION_COOKIE

ADMIN = {"name": "admin", "password": PASSWORD}
OVER_TLS = "__Host-sockpit-session"


@pytest.fixture
def nobody(settings: Settings) -> Iterator[Panel]:
    """The panel as somebody has it who is not logged in."""
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        yield Panel(client)


def is_in(panel: Panel) -> bool:
    return panel.http.get("/api/v1/me").status_code == 200


def value_of(html: str, field: str) -> str:
    found = re.search(rf'<input[^>]* name="{field}"[^>]* value="([^"]*)"', html)
    assert found, f"there is no field {field}"
    return found[1]


def test_every_page_leads_there_and_back(nobody: Panel) -> None:
    answer = nobody.http.get("/servers?x=1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/login?next=%2Fservers%3Fx%3D1",
    )
    assert nobody.post("/new").headers["location"] == "/login", "a form is not sent again"
    html = nobody.html("/servers?x=1")
    assert value_of(html, "next") == "/servers?x=1"
    assert (
        nobody.post("/login", **ADMIN, next="/servers?x=1").headers["location"] == "/servers?x=1"
    )


def test_the_page_asks_for_two_things_and_offers_nothing_else(nobody: Panel) -> None:
    html = nobody.html("/login")
    assert 'autocomplete="username"' in html
    assert 'autocomplete="current-password"' in html
    assert html.count("<form") == 1
    assert "<nav" not in html
    assert "python -m app passwd NAME" in html


def test_a_wrong_login_tells_so_and_keeps_the_name_alone(nobody: Panel) -> None:
    for wrong in ({"name": "admin", "password": "not this one"}, {"name": "eve"}, {}):
        answer = nobody.post("/login", **wrong, next="/requests")
        assert answer.status_code == 401
        assert "do not belong together" in answer.text
        assert 'role="alert"' in answer.text
        assert value_of(answer.text, "name") == wrong.get("name", "")
        assert value_of(answer.text, "next") == "/requests"
        assert "not this one" not in answer.text
        assert "set-cookie" not in answer.headers
    assert not is_in(nobody)


def test_what_is_typed_is_shown_as_text(nobody: Panel) -> None:
    answer = nobody.post("/login", name='"><img src=x>', password="x", next="/<b>")
    assert "<img" not in answer.text
    assert "<b>" not in answer.text


def test_spaces_around_a_name_are_not_meant_and_around_a_password_are(nobody: Panel) -> None:
    assert nobody.post("/login", name="admin", password=f" {PASSWORD}").status_code == 401
    assert nobody.post("/login", name=" admin ", password=PASSWORD).status_code == 303
    assert is_in(nobody)


def test_too_many_failures_are_told_with_when_to_come_again(nobody: Panel) -> None:
    for _ in range(10):
        assert nobody.post("/login", name="admin", password="wrong").status_code == 401
    answer = nobody.post("/login", **ADMIN)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 900
    assert "Too many logins failed" in answer.text
    assert value_of(answer.text, "name") == "admin"
    assert not is_in(nobody)


def test_a_second_login_takes_the_place_of_the_first(nobody: Panel) -> None:
    cookies = []
    for _ in range(2):
        assert nobody.post("/login", **ADMIN).status_code == 303
        cookies.append(nobody.http.cookies[SESSION_COOKIE])
    assert cookies[0] != cookies[1]
    assert len(nobody.http.get("/api/v1/sessions").json()["items"]) == 1
    nobody.http.cookies.set(SESSION_COOKIE, cookies[0], domain="127.0.0.1", path="/")
    assert not is_in(nobody)


def test_logging_out_ends_the_session_and_forgets_the_cookie(panel: Panel) -> None:
    secret = panel.http.cookies[SESSION_COOKIE]
    answer = panel.post("/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert SESSION_COOKIE not in panel.http.cookies
    panel.http.cookies.set(SESSION_COOKIE, secret)
    assert not is_in(panel)
    again = panel.post("/logout")
    assert (again.status_code, again.headers["location"]) == (303, "/login")


def test_logging_out_is_no_link(panel: Panel) -> None:
    assert panel.http.get("/logout").status_code == 405
    assert is_in(panel)


def cookie(answer: httpx2.Response) -> list[str]:
    """Name and value, then the attributes in lower case and by their names."""
    first, *others = answer.headers["set-cookie"].split("; ")
    return [first.partition("=")[0], *sorted(other.lower() for other in others)]


def test_the_cookie_over_tls_is_of_this_host_alone(settings: Settings) -> None:
    attributes = ["httponly", "max-age=43200", "path=/", "samesite=lax"]
    app = create_app(settings)
    with TestClient(app, base_url="https://127.0.0.1", follow_redirects=False) as client:
        answer = client.post("/login", data=ADMIN)
        assert cookie(answer) == [OVER_TLS, *attributes, "secure"]
        secret = client.cookies[OVER_TLS]
        assert client.get("/api/v1/me").status_code == 200
        gone = client.post("/logout").headers["set-cookie"]
        assert gone.startswith(f'{OVER_TLS}="";')
        assert "Secure" in gone
        plain = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        assert cookie(plain.post("/login", data=ADMIN)) == [SESSION_COOKIE, *attributes]
        secure_only = {"Cookie": f"{OVER_TLS}={plain.cookies[SESSION_COOKIE]}"}
        plain.cookies.clear()
        assert plain.get("/api/v1/me", headers=secure_only).status_code == 401
        assert secret
