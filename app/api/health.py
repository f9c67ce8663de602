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
    """200 while requests are recorded; 503 with the reason when they are not."""
    stats = requests.stats()
    if stats.state != "ok":
        raise Unavailable("log_failed", f"The request log cannot be written: {stats.error}.")
    return Health()
