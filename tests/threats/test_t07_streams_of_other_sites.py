"""T7: no page of another site watches a stream, and there is no WebSocket to open."""

from __future__ import annotations

import socket

import pytest

from tests.running import SESSION_COOKIE, Api, AppThread
from tests.threats.people import client, status
from tests.threats.routes import built, table
from tests.waiting import DEADLINE_S


@pytest.fixture(scope="module")
def streams(app_thread: AppThread) -> list[str]:
    """The path of every stream that the app has."""
    return [route.path for route in table(built(app_thread.sockpit)) if route.is_stream]


def test_t07_the_streams_are_found(streams: list[str]) -> None:
    assert {"/live/servers", "/live/servers/nobody-7", "/api/v1/events"} <= set(streams)
    assert len(streams) == len(set(streams)) > 5


@pytest.mark.parametrize(
    "foreign",
    [
        {"origin": "http://evil.test"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_t07_a_stream_is_for_our_own_pages(
    api: Api, streams: list[str], foreign: dict[str, str]
) -> None:
    with client(api.url, session=api.log_in(), bearer=None) as browser:
        for path in streams:
            # What is not there is told to our own pages alone.
            assert status(browser, "GET", path) in (200, 404), path
            assert status(browser, "GET", path, **foreign) == 403, path


def test_t07_our_own_pages_watch(api: Api) -> None:
    for headers in ({}, {"sec-fetch-site": "same-origin"}, {"origin": api.url}):
        assert status(api.pages, "GET", "/live/servers", **headers) == 200
        assert status(api.pages, "GET", "/api/v1/events", **headers) == 200


@pytest.mark.parametrize("path", ["/", "/live/servers", "/api/v1/events"])
def test_t07_a_websocket_is_not_accepted(app_thread: AppThread, api: Api, path: str) -> None:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        f"Origin: http://evil.test\r\nCookie: {SESSION_COOKIE}={api.log_in()}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", app_thread.port), DEADLINE_S) as raw:
        raw.sendall(head.encode())
        first = raw.recv(65_536).splitlines()[0]
    assert b" 101 " not in first
    if path != "/":
        assert b" 403 " in first


def test_t07_no_answer_lets_others_read_it(api: Api) -> None:
    headers = {"origin": "http://evil.test"}
    for path in ("/servers", "/api/v1/servers", "/api/v1/health", "/static/app.css", "/login"):
        answer = api.pages.get(path, headers=headers)
        assert not [n for n in answer.headers if n.startswith("access-control-")]
