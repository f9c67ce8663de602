"""REST: deleting what a search finds. It is counted, confirmed by that number, then deleted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.api.bodies import JsonObject
from app.api.definitions import DeletionBody, DeletionConfirmation, body_of
from app.api.problems import problems
from app.api.shapes import Shape, same
from app.deps import By, LogDeletions, needs
from app.search.line import parse
from app.services.deletions import Deletion
from app.services.fields import FieldReader
from app.times import iso

router = APIRouter(prefix="/log/deletions", tags=["requests"])

Id = Annotated[str, Path(alias="deletion_id")]


class DeletionShape(Shape):
    """`state`: counting, counted, deleting, done, cancelled, failed. `rows`, `servers`, `oldest`
    and `newest` are of what was counted so far; all of it once it is counted. `upto` is the newest
    request that can be among them; none that was open, or comes later, is."""

    id: str
    q: str
    state: str
    rows: int
    servers: dict[str, int]
    oldest: str | None
    newest: str | None
    upto: str
    deleted: int
    error: str | None


@router.post(
    "",
    operation_id="planDeletion",
    status_code=202,
    responses=problems(400, 413, 415, 422),
    openapi_extra=body_of(DeletionBody),
)
@needs("administer")
def plan_deletion(
    body: JsonObject, deletions: LogDeletions, by: By, response: Response
) -> DeletionShape:
    """Fix what would go, and count it. Nothing is deleted until that is confirmed."""
    read = FieldReader()
    given = read.known(body, "", ("q", "server"))
    line = read.text(given, "q") if "q" in given else ""
    server = read.text(given, "server") if given.get("server") is not None else None
    read.settle()
    planned = deletions.plan(parse(line or "").of_server(server), by)
    response.headers["Location"] = f"/api/v1/log/deletions/{planned.id}"
    return deletion_shape(planned)


@router.get("/{deletion_id}", operation_id="getDeletion", responses=problems(404))
@needs("administer")
def get_deletion(id_: Id, deletions: LogDeletions) -> DeletionShape:
    """How far it is."""
    return deletion_shape(deletions.get(id_))


@router.post(
    "/{deletion_id}/confirm",
    operation_id="confirmDeletion",
    status_code=202,
    responses=problems(400, 404, 409, 413, 415, 422),
    openapi_extra=body_of(DeletionConfirmation),
)
@needs("administer")
def confirm_deletion(id_: Id, body: JsonObject, deletions: LogDeletions, by: By) -> DeletionShape:
    """Delete what was counted, for good. `rows` must be the number that was counted."""
    read = FieldReader()
    rows = read.whole(read.known(body, "", ("rows",)), "rows")
    read.settle()
    assert rows is not None
    return deletion_shape(deletions.confirm(id_, rows, by))


@router.delete("/{deletion_id}", operation_id="cancelDeletion", responses=problems(404))
@needs("administer")
def cancel_deletion(id_: Id, deletions: LogDeletions, by: By) -> DeletionShape:
    """Count or delete no further. What is deleted by then is not to be had back."""
    return deletion_shape(deletions.cancel(id_, by))


def deletion_shape(deletion: Deletion) -> DeletionShape:
    oldest, newest = deletion.oldest_us, deletion.newest_us
    return DeletionShape(
        **same(deletion, "id", "state", "rows", "deleted", "error"),
        q=deletion.line,
        servers=dict(deletion.servers),
        oldest=None if oldest is None else iso(oldest),
        newest=None if newest is None else iso(newest),
        upto=deletion.chosen.upto,
    )
