"""T9: nobody gets at a route that does not say who may have it, and few are for everybody."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIWebSocketRoute
from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute
from starlette.routing import Route as PlainRoute
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app.deps import PUBLIC
from app.main import Sockpit, create_app, web_app
from app.settings import Settings
from app.static_files import STATIC, StaticFiles
from app.who import ROLES, SOCKPIT, Role, Who
from tests.running import PASSWORD, Api, AppThread, log_in
from tests.threats.people import browser_of, client, status, token
from tests.threats.routes import Route, built, table

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


@pytest.fixture(scope="module")
def routes(app_thread: AppThread) -> list[Route]:
    return table(built(app_thread.sockpit))


def test_t09_the_walk_finds_pages_streams_and_the_api(routes: list[Route]) -> None:
    found = {(route.method, route.path) for route in routes}
    assert {
        ("GET", "/servers"),
        ("POST", "/servers/nobody-7/start"),
        ("GET", "/live/servers"),
        ("DELETE", "/api/v1/servers/nobody-7"),
        ("GET", "/api/v1/audit/export"),
        ("POST", "/api/v1/tokens"),
    } <= found
    assert len(found) == len(routes) > 100


def test_t09_every_route_says_who_may_have_it(routes: list[Route]) -> None:
    without = [route for route in routes if route.need is None and not route.is_public]
    assert without == [], "declare them with @needs(...), see app/deps.py"
    assert {(r.method, r.path) for r in routes if r.is_public} == set(PUBLIC)
    assert len(PUBLIC) <= 6


def test_t09_nobody_gets_nothing(app_thread: AppThread, routes: list[Route]) -> None:
    with client(app_thread.url) as nobody:
        for route in routes:
            if route.is_public:
                continue
            answer = nobody.request(route.method, route.path)
            if route.is_page:
                assert answer.status_code == 303, route
                assert answer.headers["location"].startswith("/login"), route
            else:
                assert answer.status_code == 401, route
                assert "session" not in answer.headers.get("set-cookie", "")
            if route.path.startswith("/api/"):
                assert answer.json()["code"] == "no_login"
                assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("shown", ["x", "sck_wrong", "sck_" + "A" * 43, "Basic x"])
def test_t09_a_wrong_token_is_nobody(
    app_thread: AppThread, routes: list[Route], shown: str
) -> None:
    session = app_thread.api.log_in()
    with client(app_thread.url, session=session) as asker:
        for route in routes:
            if route.path.startswith("/api/") and not route.is_public:
                answer = asker.request(
                    route.method, route.path, headers={"Authorization": f"Bearer {shown}"}
                )
                assert answer.status_code == 401, route


def test_t09_a_token_opens_no_page(app_thread: AppThread, api: Api) -> None:
    with client(app_thread.url, bearer=token(api, "admin")) as program:
        assert program.get("/servers").status_code == 303
        assert program.get("/live/servers").status_code == 401


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("way", ["session", "token"])
def test_t09_each_role_may_do_what_it_may_and_no_more(
    api: Api, routes: list[Route], role: Role, way: str
) -> None:
    """Nothing that they ask for is there: what they may is refused for that, or is empty."""
    who = Who(kind="user", name="x", role=role)
    if way == "session":
        with browser_of(api, role) as asker:
            _walk(asker, [r for r in routes if r.path != "/logout"], who)
    else:
        with client(api.url, bearer=token(api, role)) as asker:
            _walk(asker, [r for r in routes if r.path.startswith("/api/")], who)


def _walk(asker: httpx2.Client, routes: list[Route], who: Who) -> None:
    refused = 0
    for route in routes:
        if route.need is None:
            continue
        answered = status(asker, route.method, route.path)
        if who.may(route.need.action):
            assert answered not in (401, 403), (route, answered)
            assert answered < 500, (route, answered)
        else:
            assert answered == 403, (route, answered)
            refused += 1
    assert (refused > 20) == (who.role != "admin")


def test_t09_a_route_that_nobody_classified_is_refused(settings: Settings) -> None:
    asgi = create_app(settings)
    app = asgi
    while not isinstance(app, FastAPI):
        app = app.app  # type: ignore[attr-defined]
    router = APIRouter()
    router.add_api_route("/forgotten", lambda: "secret")
    app.include_router(router)
    assert [r.path for r in table(app) if r.need is None and not r.is_public] == ["/forgotten"]
    with TestClient(asgi, base_url="http://127.0.0.1") as asker:
        answer = asker.post(
            "/login", data={"name": "admin", "password": PASSWORD}, follow_redirects=False
        )
        assert answer.status_code == 303
        refused = asker.get("/forgotten")
        assert refused.status_code == 403
        assert "secret" not in refused.text


async def _by_hand(scope: Scope, receive: Receive, send: Send) -> None:
    """Asks nobody."""


@pytest.mark.parametrize(
    "route",
    [
        PlainRoute("/forgotten", _by_hand),
        WebSocketRoute("/forgotten", _by_hand),
        APIWebSocketRoute("/forgotten", _by_hand),
        Mount("/forgotten", _by_hand),
        Mount("/static", _by_hand),
        Mount("/more", StaticFiles(directory=STATIC)),
        Host("forgotten", _by_hand),
    ],
    ids=lambda route: type(route).__name__,
)
@pytest.mark.parametrize("depth", range(3))
def test_t09_no_app_is_built_with_a_route_that_asks_nobody(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, route: BaseRoute, depth: int
) -> None:
    router = APIRouter(routes=[route])
    for _ in range(depth):
        outer = APIRouter()
        outer.include_router(router, prefix="/deeper")
        router = outer
    monkeypatch.setattr("app.main.web_router", router)
    sockpit = Sockpit(settings)
    with pytest.raises(TypeError, match="asks nobody"):
        web_app(sockpit)
    sockpit.abandon()


def test_t09_what_the_walk_does_not_know_fails_it(settings: Settings) -> None:
    sockpit = Sockpit(settings)
    app = built(sockpit)
    assert table(app)
    app.mount("/forgotten", _by_hand)
    with pytest.raises(AssertionError, match="classified by nobody"):
        table(app)
    sockpit.abandon()


@pytest.mark.parametrize("role", [None, "admin"])
def test_t09_a_path_answers_to_no_other_method(
    api: Api, routes: list[Route], role: Role | None
) -> None:
    session = None if role is None else api.log_in()
    with client(api.url, session=session) as asker:
        for path in sorted({route.path for route in routes}):
            taken = {route.method for route in routes if route.pattern.fullmatch(path)}
            for method in METHODS:
                if method not in taken:
                    answered = status(asker, method, path)
                    assert answered in (401, 403, 405), (method, path, answered)


def test_t09_who_acts_is_in_every_service(api: Api) -> None:
    """Sockpit's own acts are told apart from those of people."""
    assert SOCKPIT.may("administer")
    who = api.get("me")
    assert who == {"kind": "deployment", "name": "token", "role": "admin", "servers": None}
    with client(api.url, session=log_in(api.url)) as admin:
        mine = admin.get("/api/v1/me").json()
    assert mine == {"kind": "user", "name": "admin", "role": "admin", "servers": None}
