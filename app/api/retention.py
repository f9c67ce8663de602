"""REST: how much of the request log is kept, its days, and the deletion of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from app.api.bodies import JsonObject
from app.api.definitions import RetentionChange, body_of
from app.api.problems import problems
from app.api.shapes import Listing, Shape
from app.deps import By, KeptLog, needs
from app.times import iso

router = APIRouter(prefix="/log", tags=["requests"])

Day = Annotated[str, Path(description="YYYYMMDD, as in the ids of its requests.")]


class RetentionShape(Shape):
    """`bytes_per_day` is what came in the last 24 h; `days_left`: until the log has `max_bytes` at
    that rate, null when that is not within a year."""

    max_age_days: int
    max_bytes: int
    bytes: int
    oldest: str | None
    bytes_per_day: int
    days_left: float | None


class DayShape(Shape):
    day: str
    bytes: int
    rows: int


@router.get("/retention", operation_id="getRetention")
@needs("see_all")
def get_retention(retention: KeptLog) -> RetentionShape:
    """The rules, and what is held by them."""
    kept = retention.kept()
    return RetentionShape(
        max_age_days=kept.rules.max_age_days,
        max_bytes=kept.rules.max_bytes,
        bytes=kept.bytes,
        oldest=None if kept.oldest_us is None else iso(kept.oldest_us),
        bytes_per_day=kept.bytes_per_day,
        days_left=kept.days_left,
    )


@router.patch(
    "/retention",
    operation_id="updateRetention",
    responses=problems(400, 413, 415, 422),
    openapi_extra=body_of(RetentionChange),
)
@needs("administer")
def update_retention(body: JsonObject, retention: KeptLog, by: By) -> RetentionShape:
    """Change the rules. What is more than they allow is deleted from now on."""
    retention.change(body, by)
    return get_retention(retention)


@router.get("/days", operation_id="listLogDays")
@needs("see_all")
def list_log_days(retention: KeptLog) -> Listing[DayShape]:
    """The days that have requests, newest first."""
    days = retention.days()
    return Listing(items=[DayShape(day=d.day, bytes=d.bytes, rows=d.rows) for d in days])


@router.delete(
    "/days/{day}", operation_id="deleteLogDay", status_code=204, responses=problems(404)
)
@needs("administer")
def delete_log_day(day: Day, retention: KeptLog, by: By) -> None:
    """Delete a day with all its requests, for good."""
    retention.drop(day, by)
