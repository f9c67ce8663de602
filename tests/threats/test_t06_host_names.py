"""T6: a foreign name that was made to lead here is refused, on every route and file."""

from __future__ import annotations

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


def test_t06_the_refusal_says_what_to_set(api: Api) -> None:
    refused = api.client.get("/api/v1/servers", headers={"host": "panel.lan"}).json()
    assert "SOCKPIT_ALLOWED_HOSTS" in refused["detail"]
