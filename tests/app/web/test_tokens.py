"""The page of the tokens: one is made and shown once, listed, and taken back."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from app.services.tokens import PREFIX
from tests.app.web.conftest import Panel, told

SECRET = re.compile(rf'<code id="new-token">({PREFIX}[\w-]{{43}})</code>')


def make(panel: Panel, **typed: Any) -> httpx2.Response:
    """`typed`: `servers` may be several."""
    fields = {"name": "ci", "role": "viewer", "days": "", **typed}
    return panel.http.post("/tokens", data=fields, follow_redirects=False)


def tokens(panel: Panel) -> list[dict[str, Any]]:
    return list(panel.http.get("/api/v1/tokens").json()["items"])


def row(html: str, token_id: str) -> str:
    found = re.search(rf'<tr id="token-{token_id}".*?</tr>', html, re.S)
    assert found, f"{token_id} is not listed"
    return found[0]


def test_an_empty_page_says_how_to_begin(panel: Panel) -> None:
    html = panel.html("/tokens")
    assert "None yet." in html
    assert "Only for these servers" not in html, "there is none"
    assert 'href="/tokens" aria-current="page"' in html


def test_a_secret_is_shown_once_and_opens_the_api(panel: Panel) -> None:
    answer = make(panel)
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    (secret,) = SECRET.findall(answer.text)
    (made,) = tokens(panel)
    assert f'<tr id="token-{made["id"]}" data-new>' in answer.text
    panel.http.cookies.clear()
    bearer = {"Authorization": f"Bearer {secret}"}
    assert panel.http.get("/api/v1/me", headers=bearer).json()["name"] == "ci"


def test_the_page_after_shows_it_no_more(panel: Panel) -> None:
    (secret,) = SECRET.findall(make(panel).text)
    html = panel.html("/tokens")
    assert secret not in html
    assert "data-new" not in html
    assert "Copy it now" not in html


def test_one_for_some_servers_until_a_day(panel: Panel) -> None:
    for name in ("one", "two", "three"):
        panel.define(name, running=False)
    assert 'type="checkbox" name="servers" value="three">' in panel.html("/tokens")
    answer = make(panel, servers=["two", "one"], days=" 7 ", role="operator")
    (made,) = tokens(panel)
    assert (made["servers"], made["role"]) == (["two", "one"], "operator")
    listed = row(answer.text, made["id"])
    for shown in ("two, one", "operator", "by admin", made["expires"][:10], "never"):
        assert shown in listed
    make(panel, name="for good")
    assert "no end" in row(panel.html("/tokens"), tokens(panel)[0]["id"])


@pytest.mark.parametrize(
    ("typed", "field", "words"),
    [
        ({"name": " "}, "name", "1 to 100"),
        ({"name": "<b>" * 40}, "name", "1 to 100"),
        ({"days": "0"}, "days", "from 1 to 3650"),
        ({"days": "-7"}, "days", "from 1 to 3650"),
        ({"days": "3651"}, "days", "from 1 to 3650"),
        ({"days": "9" * 5_000}, "days", "whole number"),
        ({"days": "seven"}, "days", "whole number"),
        ({"days": "1.5"}, "days", "whole number"),
        ({"days": "²"}, "days", "whole number"),
    ],
)
def test_what_is_wrong_is_told_and_what_was_typed_stays(
    panel: Panel, typed: dict[str, str], field: str, words: str
) -> None:
    answer = make(panel, role="operator", **typed)
    assert answer.status_code == 422
    assert words in told(answer.text, field)
    assert 'value="operator" checked' in answer.text
    assert f'value="{typed.get("days", "")}"' in answer.text
    assert "<b>" not in answer.text
    assert not SECRET.search(answer.text)
    assert tokens(panel) == []


def test_a_role_and_a_server_that_are_none_are_told(panel: Panel) -> None:
    panel.define("one", running=False)
    answer = make(panel, role="", servers=["one", "gone"])
    assert answer.status_code == 422
    assert 'id="error-role"' in answer.text
    assert "There is no server named" in answer.text
    assert 'name="servers" value="one" checked' in answer.text


@pytest.mark.parametrize("name", ["ci", "温度 🌡", 'é "a"; b=c, <b>', "100%20 {0} {}"])
def test_one_is_taken_back_once_it_is_asked_for(panel: Panel, name: str) -> None:
    make(panel, name=name)
    (made,) = tokens(panel)
    where = f"/tokens/{made['id']}/delete"
    html = panel.html(where)
    assert "it was never used" in html
    assert "<b>" not in html
    assert len(tokens(panel)) == 1, "asking takes nothing back"
    answer = panel.post(where)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tokens")
    assert tokens(panel) == []
    shown = name.replace("<", "&lt;").replace(">", "&gt;").replace('"', "&#34;")
    assert f"The token {shown} is good for nothing any more." in panel.html("/tokens")
    assert "good for nothing" not in panel.html("/tokens"), "it is said once"


def test_one_that_is_not_there_is_a_page_that_leads_on(panel: Panel) -> None:
    assert "There is no token" in panel.html("/tokens/0123456789ab/delete", 404)
    answer = panel.hx("/tokens/0123456789ab/delete")
    assert answer.status_code == 404
    assert 'hx-target="#notice"' in answer.text
