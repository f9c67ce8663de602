"""One's own page: another password, and the browsers that are logged in."""

from __future__ import annotations

import re

import pytest

from tests.app.web.conftest import Panel, told
from tests.running import PASSWORD, SESSION_COOKIE, log_in

NEW = "another long password"


def change(panel: Panel, **typed: str) -> tuple[int, str]:
    fields = {"current": PASSWORD, "password": NEW, "again": NEW, **typed}
    answer = panel.post("/account/password", **fields)
    return answer.status_code, answer.text


def url(panel: Panel) -> str:
    return str(panel.http.base_url).rstrip("/")


def test_it_says_who_one_is_and_where(panel: Panel) -> None:
    html = panel.html("/account")
    assert re.search(r"<h1>admin</h1><span[^>]*>admin</span>", html)
    assert "this one" in html
    assert "/end" not in html, "one does not end the session that one sees it in"
    assert 'href="/account" aria-current="page"' in html


def test_another_password_goes_on_here_with_a_new_session(panel: Panel) -> None:
    before = panel.http.cookies[SESSION_COOKIE]
    assert change(panel)[0] == 303
    assert panel.http.cookies[SESSION_COOKIE] != before
    html = panel.html("/account")
    assert "admin has a new password. Other browsers have to log in again." in html
    assert html.count("this one") == 1
    assert panel.post("/login", name="admin", password=PASSWORD).status_code == 401
    assert panel.post("/login", name="admin", password=NEW).status_code == 303


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"current": "wrong"}, "current", "not the password you have now"),
        ({"current": ""}, "current", "not the password you have now"),
        ({"again": "typed wrong"}, "again", "not the same"),
        ({"password": "short", "again": "short"}, "password", "10 to 256"),
        ({"password": "", "again": ""}, "password", "10 to 256"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_changes(
    panel: Panel, typed: dict[str, str], field: str, words: str
) -> None:
    status, html = change(panel, **typed)
    assert status == 422
    assert words in told(html, field)
    for secret in (PASSWORD, NEW):
        assert secret not in html
    assert panel.html("/account")
    assert panel.post("/login", name="admin", password=PASSWORD).status_code == 303


def test_too_many_wrong_ones_are_told_without_a_field(panel: Panel) -> None:
    for _ in range(10):
        assert change(panel, current="wrong")[0] == 422
    status, html = change(panel)
    assert status == 429
    assert "Too many logins failed" in html
    assert "aria-invalid" not in html


def test_another_browser_is_listed_and_logged_out(served: Panel) -> None:
    log_in(url(served))
    html = served.html("/account")
    ends = re.findall(r'action="(/account/sessions/[0-9a-f]{64}/end)"', html)
    assert len(ends) == 1
    assert html.count('<span class="count">2</span>') == 1
    assert 'aria-label="Log out python-httpx2 at 127.0.0.1"' in html
    answer = served.post(ends[0])
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert "/end" not in served.html("/account")
    assert served.post(ends[0]).status_code == 404
