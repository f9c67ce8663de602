"""The real route table, walked: every route of the app with what it says that it is there for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.sse import EventSourceResponse
from starlette.routing import BaseRoute, Mount

from app.deps import PUBLIC, Need
from app.main import Sockpit, web_app

#: Stands in a path for a server, a user, a request that is not there.
NOBODY = "nobody-7"

HOLES = {
    "{name}": NOBODY,
    "{connection_id}": "1",
    "{request_id}": "20200101-1",
    "{direction}": "sent",
    "{day}": "20200101",
    "{export_id}": "0123456789abcdef",
    "{deletion_id}": "0123456789abcdef",
    "{user}": NOBODY,
    "{session_id}": "0123456789abcdef",
    "{token_id}": "0123456789ab",
}

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


class Route(NamedTuple):
    """`path` has something that is not there in its holes."""

    method: str
    path: str
    need: Need | None
    is_stream: bool
    pattern: re.Pattern[str]  # of all paths that it takes

    @property
    def is_public(self) -> bool:
        return (self.method, self.path) in PUBLIC

    @property
    def is_changing(self) -> bool:
        return self.method in CHANGING

    @property
    def is_page(self) -> bool:
        return not self.path.startswith(("/api/", "/live/", "/openapi.json"))


def built(sockpit: Sockpit) -> FastAPI:
    """The app inside of its guards."""
    asgi = web_app(sockpit)
    while not isinstance(asgi, FastAPI):
        asgi = asgi.app  # type: ignore[attr-defined]
    return asgi


def table(app: FastAPI) -> list[Route]:
    """Every route, those of included routers too, but the files under /static. One that is no
    API route would not ask `admit`: AssertionError."""
    found: list[Route] = []
    for prefix, route in walk(app.routes):
        path = prefix + route.path
        for hole, value in HOLES.items():
            path = path.replace(hole, value)
        assert "{" not in path, f"{path}: give HOLES something to put there"
        need = getattr(route.endpoint, "need", None)
        is_stream = route.response_class is EventSourceResponse
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", prefix + route.path))
        found += [
            Route(method, path, need, is_stream, pattern) for method in sorted(route.methods or ())
        ]
    return found


def walk(routes: Iterable[BaseRoute], prefix: str = "") -> Iterator[tuple[str, APIRoute]]:
    """Each with the prefix that its router was included with. A router that was included is a
    route that has the routes of its own inside."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes, prefix + _prefix(route))
        elif isinstance(route, APIRoute):
            yield prefix, route
        else:
            assert isinstance(route, Mount), f"{route!r} is classified by nobody"
            assert prefix + route.path == "/static", f"{route!r} is classified by nobody"


def _prefix(route: BaseRoute) -> str:
    context = getattr(route, "include_context", None)
    return str(getattr(context, "prefix", ""))
