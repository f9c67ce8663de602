"""The page on which the first user is made: who opens the right link chooses a password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.main import Sockpit, web_app
from app.settings import Settings
from tests.app.web.conftest import Panel, told
from tests.running import SESSION_COOKIE

PASSWORD = "a password of ten and more"


@pytest.fixture
def sockpit(tmp_path: Path) -> Sockpit:
    """One that nobody can log in to."""
    return Sockpit(Settings(data_dir=tmp_path / "data", handlers_dir=tmp_path, demo=False))


@pytest.fixture
def fresh(sockpit: Sockpit) -> Iterator[Panel]:
    with TestClient(web_app(sockpit), base_url="http://127.0.0.1") as client:
        yield Panel(client)


@pytest.fixture
def key(sockpit: Sockpit, fresh: Panel) -> str:
    found = sockpit.access.users.set_up_key()
    assert found is not None
    return found


def fields(key: str, **others: str) -> dict[str, str]:
    return {"key": key, "name": "ana", "password": PASSWORD, "again": PASSWORD, **others}


def test_the_login_says_how_and_asks_for_nothing(fresh: Panel) -> None:
    html = fresh.html("/login")
    assert "Open the link that Sockpit printed" in html
    assert "python -m app passwd admin" in html
    assert "<form" not in html
    answer = fresh.post("/login", name="admin", password=PASSWORD)
    assert answer.status_code == 401
    assert "<form" not in answer.text


def test_the_link_leads_to_a_form_that_begins_with_admin(fresh: Panel, key: str) -> None:
    html = fresh.html(f"/setup?key={key}")
    assert 'value="admin"' in html
    assert f'name="key" value="{key}"' in html
    assert html.count('autocomplete="new-password"') == 2


def test_what_is_chosen_leads_in_and_no_second_time(
    fresh: Panel, sockpit: Sockpit, key: str
) -> None:
    answer = fresh.post("/setup", **fields(key, name=" ana "))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert SESSION_COOKIE in fresh.http.cookies
    me = fresh.http.get("/api/v1/me").json()
    assert (me["kind"], me["name"], me["role"]) == ("user", "ana", "admin")
    for again in (
        fresh.http.get("/setup", params={"key": key}),
        fresh.post("/setup", **fields(key, name="eve")),
    ):
        assert again.status_code == 403
        assert "there is somebody to log in as" in again.text
    assert [user.name for user in sockpit.access.users.all()] == ["ana"]
    fresh.http.cookies.clear()
    assert "<form" in fresh.html("/login")


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"name": "no name"}, "name", "1 to 64"),
        ({"name": ""}, "name", "1 to 64"),
        ({"password": "short", "again": "short"}, "password", "10 to 256"),
        ({"password": "", "again": ""}, "password", "10 to 256"),
        ({"again": ""}, "again", "not the same"),
        ({"again": PASSWORD.upper()}, "again", "not the same"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(
    fresh: Panel, sockpit: Sockpit, key: str, typed: dict[str, str], field: str, words: str
) -> None:
    answer = fresh.post("/setup", **fields(key, **typed))
    assert answer.status_code == 422
    assert words in told(answer.text, field)
    assert f'value="{typed.get("name", "ana")}"' in answer.text
    assert f'name="key" value="{key}"' in answer.text, "it can be sent again"
    assert PASSWORD not in answer.text
    assert not sockpit.access.users.any()


@pytest.mark.parametrize("wrong", ["", "x", "ключ", '"><script>'])
def test_another_key_is_refused_whatever_else_is_typed(
    fresh: Panel, sockpit: Sockpit, wrong: str
) -> None:
    for answer in (
        fresh.http.get("/setup", params={"key": wrong}),
        fresh.post("/setup", **fields(wrong)),
        fresh.post("/setup", **fields(wrong, again="another")),
        fresh.post("/setup", **fields(wrong, name="no name")),
    ):
        assert answer.status_code == 403
        assert "not the link that Sockpit printed" in answer.text
        assert 'name="password"' not in answer.text
    assert not sockpit.access.users.any()
    assert SESSION_COOKIE not in fresh.http.cookies


def test_a_link_without_a_key_is_refused(fresh: Panel) -> None:
    assert "not the link that Sockpit printed" in fresh.html("/setup", 403)
    assert fresh.post("/setup").status_code == 403
