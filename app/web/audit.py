"""The page of the audit: who changed what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from app.deps import All, needs
from app.web.view import page

router = APIRouter(prefix="/audit")

_ROWS = 50


@router.get("")
@needs("administer")
def audit(
    request: Request,
    found: All,
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> HTMLResponse:
    entries = found.audit.page(limit=_ROWS + 1, before=before)
    return page(
        request,
        "audit.html",
        entries=entries[:_ROWS],
        older=entries[_ROWS - 1].number if len(entries) > _ROWS else None,
        stands_still=before is not None,
        server_count=len(found.servers.all()),
    )
