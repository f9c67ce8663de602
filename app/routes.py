"""What may stand in the route table: nothing that goes past `admit`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute


def check_routes(app: FastAPI) -> None:
    """Only API routes ask what the whole app depends on, which is `admit`: any other would be for
    everybody. Raises: TypeError where there is one."""
    for route in _every(app.router):
        if not isinstance(route, APIRoute):
            raise TypeError(f"{route!r} asks nobody who may have it: declare it with @router.get")


def _every(router: APIRouter) -> Iterator[BaseRoute]:
    """A router that was included is a route that has the routes of its own inside."""
    for route in chain(router.routes, router._low_priority_routes):
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _every(inner)
