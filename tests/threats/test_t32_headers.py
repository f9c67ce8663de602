"""T32: every answer carries the baseline headers, exactly; the description of the API is no
more open than the API."""

from __future__ import annotations

import http.client
from collections.abc import Mapping

import pytest

from tests.running import BEARER, Api, AppThread

BASELINE = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
#: What is never shown in a page: not even its own origin may run what a stranger sent.
SANDBOX = {"content-security-policy": "default-src 'none'; sandbox"}
KEPT = {"cache-control": "public, max-age=31536000, immutable"}
ASKED_AGAIN = {"cache-control": "no-cache"}

#: What says who answers, or lets others in.
NEVER = ("server", "x-powered-by", "access-control-allow-origin", "access-control-allow-headers")

#: (what it is, method, path, status, headers that differ from the baseline)
ANSWERS: list[tuple[str, str, str, int, Mapping[str, str]]] = [
    ("page", "GET", "/servers", 200, {}),
    ("head of a page", "HEAD", "/login", 405, {}),
    ("page of the API", "GET", "/docs", 200, {}),
    ("description", "GET", "/openapi.json", 200, {}),
    ("API", "GET", "/api/v1/servers", 200, {}),
    ("description in the API", "GET", "/api/v1/openapi.json", 200, {}),
    ("named file", "GET", "/static/app.css?v=1", 200, KEPT),
    ("file", "GET", "/static/app.css", 200, ASKED_AGAIN),
    ("head of a file", "HEAD", "/static/app.css", 200, ASKED_AGAIN),
    ("no such file", "GET", "/static/nothing.css?v=1", 404, {}),
    ("file beside", "GET", "/static/%2e%2e/app/main.py", 404, {}),
    ("no page", "GET", "/nothing", 404, {}),
    ("preflight", "OPTIONS", "/api/v1/servers", 405, {}),
    ("nothing in the API", "GET", "/api/v1/nothing", 404, {}),
    ("wrong method", "DELETE", "/servers", 405, {}),
    ("redirect", "GET", "/", 303, {}),
    ("page that is refused", "GET", "/requests?before=x", 422, {}),
    ("wrong in the API", "GET", "/api/v1/requests?limit=x", 422, {}),
    ("stream", "GET", "/live/servers", 200, {}),
    ("events", "GET", "/api/v1/events", 200, {}),
    ("export", "GET", "/api/v1/requests/export?format=csv", 200, SANDBOX),
]


def check(headers: Mapping[str, str], but: Mapping[str, str], what: str) -> None:
    """Header for header: exactly what is expected, and each of them once."""
    wanted = {**BASELINE, **but}
    assert {name: headers.get(name) for name in wanted} == wanted, what
    assert not {name for name in NEVER if name in headers}, what


@pytest.mark.parametrize(
    ("method", "path", "status", "but"),
    [answer[1:] for answer in ANSWERS],
    ids=[answer[0].replace(" ", "-") for answer in ANSWERS],
)
def test_t32_headers_of_every_kind_of_answer(
    api: Api, method: str, path: str, status: int, but: Mapping[str, str]
) -> None:
    with api.pages.stream(method, path, follow_redirects=False) as answer:
        assert answer.status_code == status
        check(answer.headers, but, path)


def test_t32_headers_of_a_fault(
    api: Api, app_thread: AppThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(app_thread.sockpit.services.requests, "_stats", broken)
    for path in ("/servers", "/api/v1/log/stats"):
        answer = api.pages.get(path)
        assert answer.status_code == 500
        check(answer.headers, {}, path)


REFUSED: list[tuple[str, bytes, int]] = [
    ("no HTTP", b"hello\r\n\r\n", 400),
    ("unknown host", b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n", 400),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("long header", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, 431),
    ("long body", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999\r\n\r\n", 413),
    ("other site", b"POST /new HTTP/1.1\r\nHost: localhost\r\nOrigin: http://e.test\r\n\r\n", 403),
    ("nobody", b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n", 303),
    ("nobody's program", b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n", 401),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "status"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_t32_headers_of_what_is_refused_before_any_route(
    app_thread: AppThread, raw: bytes, status: int
) -> None:
    with raw_answer(app_thread.port, raw) as answer:
        assert answer.status == status
        check({name.lower(): value for name, value in answer.getheaders()}, {}, str(raw[:60]))
        names = [name.lower() for name, _ in answer.getheaders()]
        assert not [name for name in BASELINE if names.count(name) != 1]


def raw_answer(port: int, raw: bytes) -> http.client.HTTPResponse:
    """What the panel answers to just these bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    connection.sock.sendall(raw)
    answer = http.client.HTTPResponse(connection.sock)
    answer.begin()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("path", "status"), [("/docs", 303), ("/openapi.json", 401), ("/api/v1/openapi.json", 401)]
)
def test_t32_description_is_for_those_who_are_logged_in(
    app_thread: AppThread, path: str, status: int
) -> None:
    nobody = Api(app_thread.url, token=None)
    answer = nobody.client.get(path, follow_redirects=False)
    nobody.close()
    assert answer.status_code == status
    assert "createServer" not in answer.text
    if status == 303:
        assert answer.headers["location"].startswith("/login?next=%2F")
    else:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "no_login"


def test_t32_description_is_one(api: Api) -> None:
    assert api.pages.get("/openapi.json").json() == api.get("openapi.json")
    assert api.client.get("/openapi.json", headers=BEARER).json() == api.get("openapi.json")
    assert api.client.get("/docs", headers=BEARER, follow_redirects=False).is_redirect


@pytest.mark.parametrize("path", ["/docs/", "/redoc", "/docs/oauth2-redirect", "/swagger"])
def test_t32_the_framework_describes_nothing_by_itself(api: Api, path: str) -> None:
    answer = api.pages.get(path, follow_redirects=True)
    assert answer.status_code in (200, 404)
    assert "cdn" not in answer.text
    assert "swagger-ui" not in answer.text
