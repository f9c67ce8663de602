"""The pages of the users: who there is, one that is made, changed, logged out and deleted."""

from __future__ import annotations

import re

import pytest

from tests.app.web.conftest import Panel, told
from tests.running import log_in

PASSWORD = "long enough to be one"


def make(panel: Panel, name: str = "ana", role: str = "viewer") -> None:
    answer = panel.post("/users", name=name, role=role, password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")


def row(html: str, name: str) -> str:
    found = re.search(rf'<tr id="user-{name}">.*?</tr>', html, re.S)
    assert found, f"{name} is not listed"
    return found[0]


def roles(panel: Panel) -> dict[str, str]:
    return {u["name"]: u["role"] for u in panel.http.get("/api/v1/users").json()["items"]}


def checked(html: str) -> str:
    (found,) = re.findall(r'name="role" value="(\w+)" checked', html)
    return str(found)


def test_whoever_is_there_is_listed(panel: Panel) -> None:
    make(panel, "zoe", "operator")
    html = panel.html("/users")
    assert "zoe can log in now." in html
    assert "zoe can log in now." not in panel.html("/users"), "it is said once"
    assert 'href="/users" aria-current="page"' in html
    own, other = row(html, "admin"), row(html, "zoe")
    assert "you" in own
    assert "1 browser<" in own
    assert "you" not in other
    assert "operator" in other
    assert "nowhere" in other
    assert 'href="/users/zoe"' in other
    assert html.index('id="user-admin"') < html.index('id="user-zoe"')


def test_one_that_is_made_can_log_in(served: Panel) -> None:
    make(served, " ana ", "viewer")
    url = str(served.http.base_url).rstrip("/")
    for _ in range(2):
        assert log_in(url, "ana", PASSWORD)
    assert "2 browsers" in row(served.html("/users"), "ana")


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"name": "no name"}, "name", "1 to 64"),
        ({"name": ""}, "name", "1 to 64"),
        ({"role": ""}, "role", "Choose one of: viewer, operator, admin."),
        ({"role": "<b>"}, "role", "There is no role"),
        ({"password": "short"}, "password", "10 to 256"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_stays(
    panel: Panel, typed: dict[str, str], field: str, words: str
) -> None:
    fields = {"name": "ana", "role": "operator", "password": PASSWORD, **typed}
    answer = panel.post("/users", **fields)
    assert answer.status_code == 422
    where = re.search(rf'id="error-{field}".*?<span>(.*?)</span>', answer.text, re.S)
    assert where
    assert words in where[1]
    assert f'name="name" type="text" value="{fields["name"]}"' in answer.text
    if field != "role":
        assert checked(answer.text) == "operator"
    assert PASSWORD not in answer.text
    assert "<b>" not in answer.text
    assert set(roles(panel)) == {"admin"}


def test_a_name_that_is_taken_is_told_beside_it(panel: Panel) -> None:
    make(panel)
    answer = panel.post("/users", name="ana", role="admin", password=PASSWORD)
    assert answer.status_code == 409
    assert "Choose another name." in told(answer.text, "name")
    assert roles(panel)["ana"] == "viewer"


def test_a_role_is_changed_and_an_empty_password_stays(served: Panel) -> None:
    make(served, role="operator")
    assert checked(served.html("/users/ana")) == "operator"
    answer = served.post("/users/ana", role="viewer", password="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")
    assert "ana was saved." in served.html("/users")
    assert roles(served)["ana"] == "viewer"
    url = str(served.http.base_url).rstrip("/")
    assert log_in(url, "ana", PASSWORD)
    served.post("/users/ana", role="viewer", password="another long password")
    assert log_in(url, "ana", "another long password")
    assert served.post("/login", name="ana", password=PASSWORD).status_code == 401


def test_a_wrong_change_is_told_on_the_page_of_the_user(panel: Panel) -> None:
    make(panel)
    answer = panel.post("/users/ana", role="viewer", password="short")
    assert answer.status_code == 422
    assert "10 to 256" in told(answer.text, "password")
    answer = panel.post("/users/ana", role="root")
    assert answer.status_code == 422
    assert 'id="error-role"' in answer.text
    assert checked(answer.text) == "viewer"


def test_the_last_admin_is_told_to_make_another(panel: Panel) -> None:
    make(panel)
    for answer in (
        panel.post("/users/admin", role="viewer"),
        panel.post("/users/admin/delete"),
    ):
        assert answer.status_code == 409
        assert "make another user one first" in answer.text
        assert 'role="alert"' in answer.text
    assert roles(panel) == {"admin": "admin", "ana": "viewer"}
    assert panel.html("/users"), "and is logged in as before"


def test_deleting_asks_first(panel: Panel) -> None:
    make(panel)
    html = panel.html("/users/ana/delete")
    assert "Delete ana?" in html
    assert "that is you" not in html
    assert "that is you" in panel.html("/users/admin/delete")
    assert "ana" in roles(panel), "asking deletes nothing"
    answer = panel.post("/users/ana/delete")
    assert (answer.status_code, answer.headers["location"]) == (303, "/users")
    assert "ana was deleted, and is logged out everywhere." in panel.html("/users")
    assert set(roles(panel)) == {"admin"}


def test_who_deletes_oneself_is_logged_out(panel: Panel) -> None:
    make(panel, role="admin")
    assert panel.post("/users/admin/delete").status_code == 303
    answer = panel.http.get("/users", follow_redirects=False)
    assert answer.headers["location"] == "/login?next=%2Fusers"


def test_a_browser_of_a_user_is_logged_out(served: Panel) -> None:
    make(served)
    assert "Nowhere." in served.html("/users/ana")
    url = str(served.http.base_url).rstrip("/")
    log_in(url, "ana", PASSWORD)
    html = served.html("/users/ana")
    (end,) = re.findall(r'action="(/users/ana/sessions/[0-9a-f]{64}/end)"', html)
    answer = served.post(end)
    assert (answer.status_code, answer.headers["location"]) == (303, "/users/ana")
    assert "Nowhere." in served.html("/users/ana")
    assert served.post(end).status_code == 404


def test_one_that_is_not_there_is_a_page_that_leads_on(panel: Panel) -> None:
    for path in ("/users/nobody", "/users/nobody/delete"):
        assert "There is no user named" in panel.html(path, 404)
        assert panel.post(path, role="admin").status_code == 404
