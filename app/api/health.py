"""REST: whether the application works, for health checks."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from app.api.problems import problems
from app.api.shapes import Shape
from app.deps import Requests
from app.errors import Unavailable

router = APIRouter(tags=["health"])


class Health(Shape):
    status: Literal["ok"] = "ok"


@router.get("/health", operation_id="getHealth", responses=problems(503))
def get_health(requests: Requests) -> Health:
    """200 while requests are recorded, 503 while they are not. Anybody may ask, so why not is said
    in the panel and in the application's own log."""
    if requests.stats().state != "ok":
        raise Unavailable("log_failed", "The request log cannot be written; the panel says why.")
    return Health()
