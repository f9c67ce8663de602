"""REST: the audit. It is read and added to; no route changes it or takes away from it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.api.downloads import Download
from app.api.problems import problems
from app.api.shapes import Listing, Shape, same
from app.deps import Admission, All, AuditLog, needs
from app.times import iso
from app.who import AuditEntry

router = APIRouter(prefix="/audit", tags=["access"])


class AuditShape(Shape):
    """`kind`: of whom; `machine` is Sockpit itself, or its command line. `before` and `after`: of
    what was changed alone."""

    number: int
    at: str
    who: str
    kind: str
    address: str
    what: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("", operation_id="listAudit", responses=problems(422))
@needs("administer")
def list_audit(
    audit: AuditLog,
    limit: int = 50,
    before: Annotated[int | None, Query(ge=1, lt=2**63, description="`next` of a page")] = None,
) -> Listing[AuditShape]:
    """What was changed, newest first. Pass `next` of one page as `before` to get the next."""
    entries = audit.page(limit=limit, before=before)
    more = len(entries) == limit and entries[-1].number > 1
    return Listing(
        items=[audit_shape(entry) for entry in entries],
        next=str(entries[-1].number) if more else None,
    )


@router.get(
    "/export",
    operation_id="exportAudit",
    response_class=StreamingResponse,
    responses={200: {"description": "A line each.", "content": {"application/x-ndjson": {}}}},
)
@needs("administer")
def export_audit(found: All) -> StreamingResponse:
    """All of it as JSON Lines, newest first, streamed in constant memory. An answer that ends
    before its time, because its login ended, is no whole one for HTTP either."""
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    headers = {"Content-Disposition": f'attachment; filename="audit-{now}.jsonl"'}
    lines = _lines(found.audit.all())
    return Download(lines, Admission(found), "application/x-ndjson", headers)


def _lines(entries: Iterator[AuditEntry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps(audit_shape(entry).model_dump()) + "\n"


def audit_shape(entry: AuditEntry) -> AuditShape:
    return AuditShape(
        **same(entry, "number", "who", "kind", "address", "what", "target", "before", "after"),
        at=iso(entry.at_us),
    )
