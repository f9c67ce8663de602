"""T6: a foreign name that was made to lead here is refused, on every route and file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tests.running import Api, AppThread
from tests.threats.people import status
from tests.threats.routes import built, table


def test_t06_every_route_refuses_a_foreign_name(app_thread: AppThread, api: Api) -> None:
    paths = [(r.method, r.path) for r in table(built(app_thread.sockpit))]
    for method, path in [*paths, ("GET", "/static/app.css"), ("GET", "/nothing")]:
        for asker in (api.pages, api.client):
            assert status(asker, method, path, host="evil.test") == 400, (method, path)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_t06_our_own_names_are_known(api: Api, host: str) -> None:
    for path in ("/api/v1/health", "/servers", "/static/app.css", "/live/servers"):
        assert status(api.pages, "GET", path, host=host) == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil@127.0.0.1", "evil:80@127.0.0.1", "127.0.0.1:evil.test", "127.0.0.1:80:80"),
        *("127.0.0.1:-1", "127.0.0.1:80@evil.test", "127.0.0.1/evil", "127.0.0.1?evil"),
        *("127.0.0.1#evil", "127.0.0.1,evil.test", "[127.0.0.1]", "[localhost]:80"),
        *("[::1]evil.test", "[::1]:80.evil.test", "::1", "[::1", "localhost.evil.test", ":80"),
    ],
)
def test_t06_what_only_holds_a_name_of_ours_is_none(api: Api, host: str) -> None:
    for path in ("/api/v1/health", "/servers", "/static/app.css", "/live/servers"):
        assert status(api.pages, "GET", path, host=host) == 400


def test_t06_names_of_the_settings_are_known(folder: Path) -> None:
    with closing(AppThread(folder, allowed_hosts=("panel.lan", "2001:db8::1"))) as app:
        for host in ("panel.lan", "Panel.LAN:8000", "[2001:db8::1]", "[2001:DB8::1]:80"):
            assert status(app.api.client, "GET", "/api/v1/servers", host=host) == 200
        for host in (
            "panel",
            "panel.lan.",
            "panel.lan.evil.test",
            "evil@panel.lan",
            "panel.lan:x",
        ):
            assert status(app.api.client, "GET", "/api/v1/servers", host=host) == 400


def test_t06_the_refusal_says_what_to_set(api: Api) -> None:
    refused = api.client.get("/api/v1/servers", headers={"host": "panel.lan"}).json()
    assert "SOCKPIT_ALLOWED_HOSTS" in refused["detail"]
