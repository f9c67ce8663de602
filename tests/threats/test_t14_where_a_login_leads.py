"""T14: a link to the login leads to no page of another site."""

from __future__ import annotations

import pytest

from tests.running import PASSWORD, Api
from tests.threats.people import client

ELSEWHERE = [
    "//evil.test",
    "/\\evil.test",
    "https://evil.test",
    "javascript:alert(1)",
    "/\t/evil.test",
    "/\n/evil.test",
    "\\/evil.test",
    " //evil.test",
    "evil.test",
    "",
]


@pytest.mark.parametrize("to", ELSEWHERE)
def test_t14_elsewhere_is_the_start(api: Api, to: str) -> None:
    with client(api.url) as browser:
        form = browser.get("/login", params={"next": to}).text
        assert '<input type="hidden" name="next" value="/">' in form
        fields = {"name": "admin", "password": PASSWORD, "next": to}
        answer = browser.post("/login", data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        back = browser.post("/theme", data={"theme": "dark", "back": to})
        assert back.headers["location"] == "/"


def test_t14_a_page_of_ours_is_come_back_to(api: Api) -> None:
    path = "/requests?q=server%3Aclock%20%22a%20b%22"
    with client(api.url) as browser:
        asked = browser.get(path)
        assert asked.status_code == 303
        login = browser.get(asked.headers["location"]).text
        assert "server%3Aclock" in login
        fields = {"name": "admin", "password": PASSWORD, "next": path}
        assert browser.post("/login", data=fields).headers["location"] == path


def test_t14_what_htmx_asked_for_is_sent_to_the_login(api: Api) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": f"{api.url}/servers?x=1"}
    with client(api.url) as browser:
        answer = browser.post("/servers/nobody/stop", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/login?next=%2Fservers%3Fx%3D1"
