"""What every answer carries and every request must pass: headers, host names, origins, sizes."""

from __future__ import annotations

import http.client
import socket

import pytest

from app.guards import BODY_LIMIT
from tests.conftest import MakeServer
from tests.running import TOKEN, Api, AppThread
from tests.threats import routes
from tests.threats.routes import CHANGING, NOBODY
from tests.waiting import DEADLINE_S, eventually

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.fixture(scope="module")
def table(app_thread: AppThread) -> list[tuple[str, str]]:
    """(method, path with something in its holes) of every route."""
    return [(route.method, route.path) for route in routes.table(routes.built(app_thread.sockpit))]


def test_walk_finds_pages_and_api(table: list[tuple[str, str]]) -> None:
    assert ("POST", f"/servers/{NOBODY}/start") in table
    assert ("POST", f"/servers/{NOBODY}/delete") in table
    assert ("POST", "/new") in table
    assert ("DELETE", f"/api/v1/servers/{NOBODY}") in table
    assert ("GET", "/requests") in table
    assert ("GET", "/live/servers") in table


def test_every_route_answers_with_the_headers(api: Api, table: list[tuple[str, str]]) -> None:
    for method, path in table:
        if method in CHANGING and NOBODY not in path:
            continue  # it would do something: those are asked from another origin below
        with api.pages.stream(method, path) as response:
            assert HEADERS.items() <= dict(response.headers).items(), (method, path)
            assert response.headers["cache-control"] == "no-store", (method, path)


def test_no_other_origin_is_let_in_by_cors(api: Api) -> None:
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for method in ("GET", "OPTIONS"):
        response = api.pages.request(method, "/api/v1/servers", headers=headers)
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_files_named_by_content_are_kept_and_others_asked_for_again(api: Api) -> None:
    named = api.pages.get("/static/app.css?v=0123456789ab").headers["cache-control"]
    assert named == "public, max-age=31536000, immutable"
    assert api.pages.get("/static/app.css").headers["cache-control"] == "no-cache"


# -- host names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "", "[", "0.0.0.0", "x@["],
)
@pytest.mark.parametrize("path", ["/servers", "/api/v1/servers", "/static/app.css"])
def test_unknown_host_is_refused(api: Api, host: str, path: str) -> None:
    response = api.pages.get(path, headers={"host": host})
    assert response.status_code == 400
    assert HEADERS.items() <= dict(response.headers).items()
    if path.startswith("/api"):
        assert response.json()["code"] == "unknown_host_header"


def test_missing_host_is_refused(app_thread: AppThread) -> None:
    with socket.create_connection(("127.0.0.1", app_thread.port), DEADLINE_S) as raw:
        raw.sendall(b"GET /api/v1/servers HTTP/1.0\r\n\r\n")
        assert b" 400 " in raw.recv(65_536).splitlines()[0]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST:1", "[::1]", "[::1]:8000", "127.0.0.1:9"]
)
def test_own_names_are_known(api: Api, host: str) -> None:
    assert api.pages.get("/api/v1/health", headers={"host": host}).status_code == 200


# -- origins ----------------------------------------------------------------------------------

FOREIGN: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site"},
]


@pytest.mark.parametrize("foreign", FOREIGN, ids=str)
def test_no_route_changes_anything_for_another_origin(
    api: Api, table: list[tuple[str, str]], foreign: dict[str, str]
) -> None:
    changing = [(method, path) for method, path in table if method in CHANGING]
    assert len(changing) > 12
    for method, path in changing:
        response = api.pages.request(method, path, headers=foreign)
        assert response.status_code == 403, (method, path)
        assert HEADERS.items() <= dict(response.headers).items()
        if path.startswith("/api/"):
            assert response.json()["code"] == "cross_origin", (method, path)


def test_running_server_survives_another_origin(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    name = server["name"]
    for method, path in (
        ("POST", f"/servers/{name}/stop"),
        ("POST", f"/servers/{name}/delete"),
        ("DELETE", f"/api/v1/servers/{name}"),
        ("POST", f"/api/v1/servers/{name}/stop"),
        ("PATCH", f"/api/v1/servers/{name}"),
    ):
        response = api.pages.request(method, path, headers={"sec-fetch-site": "cross-site"})
        assert response.status_code == 403
    assert api.get(f"servers/{name}") == server


def test_own_pages_and_programs_may_change_things(api: Api, make_server: MakeServer) -> None:
    path = f"/api/v1/servers/{make_server()['name']}/stop"
    origin = api.url
    for headers in (
        {},
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        {"origin": origin},
        {"origin": origin, "sec-fetch-site": "same-origin"},
    ):
        assert api.pages.post(path, headers=headers).status_code == 200


def test_links_from_elsewhere_open_pages(api: Api) -> None:
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert api.pages.get("/servers", headers=headers).status_code == 200


# -- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/v1/servers", "/new", "/api/v1/handlers/rescan"])
def test_body_is_refused_by_its_announced_length_alone(app_thread: AppThread, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", app_thread.port, timeout=DEADLINE_S)
    connection.putrequest("POST", path)
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", str(BODY_LIMIT + 1))
    connection.endheaders()  # and not a byte of the body
    response = connection.getresponse()
    assert response.status == 413
    assert HEADERS.items() <= {k.lower(): v for k, v in response.getheaders()}.items()
    response.read()
    connection.close()


@pytest.mark.parametrize("path", ["/api/v1/servers", "/new"])
def test_body_without_a_length_is_measured(api: Api, path: str) -> None:
    kind = "application/json" if "api" in path else "application/x-www-form-urlencoded"
    parts = (b"a" * 65_536 for _ in range(BODY_LIMIT // 65_536 + 1))
    response = api.pages.post(path, content=parts, headers={"content-type": kind})
    assert response.status_code == 413
    assert HEADERS.items() <= dict(response.headers).items()


def test_largest_body_is_read(api: Api) -> None:
    body = b'{"name": "' + b"n" * (BODY_LIMIT - 12) + b'"}'
    assert len(body) == BODY_LIMIT
    headers = {"content-type": "application/json"}
    problem = api.refused(422, "POST", "servers", content=body, headers=headers)
    assert problem["code"] == "name_malformed"
    assert len(problem["detail"]) < 500


def test_client_that_leaves_in_its_body_is_no_fault(
    app_thread: AppThread, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_connection(("127.0.0.1", app_thread.port), DEADLINE_S) as raw:
        raw.sendall(
            b"POST /api/v1/servers HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n{"
        )
        eventually(lambda: app_thread.answering() == 1)
    eventually(lambda: app_thread.answering() == 0)
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == []


# -- forms ------------------------------------------------------------------------------------

PARTS = "multipart/form-data; boundary=x"


def uploaded(api: Api, kind: str, name: bytes = b"of-this-form") -> tuple[int, bool]:
    """What an upload with that Content-Type is answered, and whether its name was read: what it
    uploads is no certificate."""
    parts = ((b"name", name), (b"pem", b"none"))
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % part for part in parts
    )
    headers = {"content-type": kind}
    answer = api.pages.post("/certificates", content=body + b"--x--\r\n", headers=headers)
    return answer.status_code, "of-this-form" in answer.text


@pytest.mark.parametrize(
    "charset",
    ["punycode", "unicode_escape", "idna", "utf-16", '"hex"', "utf-8; charset=utf-7", ""],
)
def test_a_form_in_another_charset_is_refused(api: Api, charset: str) -> None:
    for kind in (
        f"{PARTS}; charset={charset}",
        f"Multipart/Form-Data; CHARSET={charset}; boundary=x",
    ):
        assert uploaded(api, kind, rb"/\ud800") == (415, False)
    assert uploaded(api, f"{PARTS}; charset*=utf-8''{charset}") == (415, False)


@pytest.mark.parametrize(
    "kind",
    [
        PARTS,
        f"{PARTS}; charset=utf-8",
        'multipart/form-data; charset="UTF-8" ; boundary=x',
        "multipart/form-data;charset=UTF-8;boundary=x",
    ],
)
def test_a_form_in_utf_8_is_read(api: Api, kind: str) -> None:
    assert uploaded(api, kind) == (422, True)


@pytest.mark.parametrize("kind", [PARTS, f"{PARTS}; charset=utf-8", "Multipart/Mixed; boundary=x"])
def test_a_form_in_parts_is_read_where_a_file_is_uploaded_alone(
    api: Api, table: list[tuple[str, str]], kind: str
) -> None:
    pages = [path for method, path in table if method == "POST" and not path.startswith("/api/")]
    assert len(pages) > 12
    for path in pages:
        answer = api.pages.post(path, content=b"--x--\r\n", headers={"content-type": kind})
        assert (answer.status_code == 415) == (path != "/certificates"), path
        if path != "/certificates":
            assert "application/x-www-form-urlencoded" in answer.text
