"""T5: a page of another site changes nothing, whatever the browser sends along."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from tests.conftest import MakeServer
from tests.running import Api, AppThread
from tests.threats.people import client, status
from tests.threats.routes import Route, built, table

FOREIGN: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
]

OWN: list[dict[str, str]] = [
    {},
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "none"},
]


@pytest.fixture(scope="module")
def routes(app_thread: AppThread) -> list[Route]:
    return table(built(app_thread.sockpit))


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_t05_no_route_changes_anything_for_another_site(
    api: Api, routes: list[Route], foreign: dict[str, str]
) -> None:
    changing = [route for route in routes if route.is_changing]
    assert len(changing) > 40
    for route in changing:
        answer = api.pages.request(route.method, route.path, headers=foreign)
        assert answer.status_code == 403, route
        if route.path.startswith("/api/"):
            assert answer.json()["code"] == "cross_origin", route


@pytest.mark.parametrize("own", OWN, ids=str)
def test_t05_the_panel_itself_is_not_refused(
    api: Api, routes: list[Route], own: dict[str, str]
) -> None:
    for route in routes:
        if route.is_changing and route.path != "/logout" and not route.is_public:
            answer = api.pages.request(route.method, route.path, headers=own)
            assert answer.status_code not in (401, 403), (route, answer.text)


def test_t05_a_program_with_a_token_is_exempt(api: Api, make_server: MakeServer) -> None:
    path = f"/api/v1/servers/{make_server()['name']}/stop"
    for foreign in FOREIGN:
        assert api.client.post(path, headers=foreign).status_code == 200
    # Who shows a token under the API is exempt, and there the cookie counts for nothing.
    with client(api.url, session=api.log_in()) as browser:
        for shown in ("Bearer", "Bearer wrong"):
            headers = {**FOREIGN[0], "authorization": shown}
            assert browser.post(path, headers=headers).status_code in (401, 403)
            assert browser.post("/servers/nobody/stop", headers=headers).status_code == 403


def test_t05_looking_changes_nothing(
    app_thread: AppThread, api: Api, routes: list[Route], make_server: MakeServer
) -> None:
    make_server()
    assert api.pages.get("/servers").status_code == 200
    before = _control(app_thread)
    for route in routes:
        if route.method == "GET":
            status(api.pages, "GET", route.path)
    assert _control(app_thread) == before


def _control(app: AppThread) -> str:
    """A hash of the control database, but for when somebody was seen last."""
    digest = hashlib.sha256()
    with closing(sqlite3.connect(app.data_dir / "control.sqlite3")) as database:
        for name in ("servers", "users", "sessions", "tokens", "audit", "retention"):
            for row in database.execute(f"SELECT * FROM {name} ORDER BY 1"):
                seen = 3 if name == "sessions" else None
                kept = [value for place, value in enumerate(row) if place != seen]
                digest.update(repr(kept).encode())
    return digest.hexdigest()
