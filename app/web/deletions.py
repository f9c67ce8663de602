"""Deleting what a search finds: counted on a page of its own, confirmed by that number."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, needs
from app.errors import Conflict, Invalid
from app.search.line import parse
from app.services.deletions import Deletion
from app.web.one_screens import deletion_context
from app.web.view import page

router = APIRouter(prefix="/requests/deletions")

Text = Annotated[str, Form()]


@router.post("")
@needs("administer")
def plan(found: All, q: Text = "") -> Response:
    """Begin to count. Raises: Invalid for a line that cannot be understood, or asks for all."""
    return _show(found.deletions.plan(parse(q), found.who))


@router.get("/{deletion_id}")
@needs("administer")
def deletion(request: Request, deletion_id: str, found: All) -> HTMLResponse:
    return _page(request, found, deletion_id)


@router.post("/{deletion_id}/confirm")
@needs("administer")
def confirm(request: Request, deletion_id: str, found: All, typed: Text = "") -> Response:
    try:
        rows = _number(typed)
        return _show(found.deletions.confirm(deletion_id, rows, found.who))
    except Invalid:
        return _page(request, found, deletion_id, typed=typed, wrong=True)
    except Conflict:  # it was confirmed, or cancelled, on another page
        return _show(found.deletions.get(deletion_id))


@router.post("/{deletion_id}/cancel")
@needs("administer")
def cancel(deletion_id: str, found: All) -> Response:
    return _show(found.deletions.cancel(deletion_id, found.who))


def _page(
    request: Request, found: Services, id_: str, *, typed: str = "", wrong: bool = False
) -> HTMLResponse:
    return page(
        request,
        "deletion.html",
        status=422 if wrong else 200,
        typed=typed,
        wrong=wrong,
        server_count=len(found.servers.all()),
        **deletion_context(found.deletions.get(id_)),
    )


def _show(known: Deletion) -> Response:
    return RedirectResponse(f"/requests/deletions/{known.id}", 303)


def _number(typed: str) -> int:
    """As it is shown, or without its commas; -1 for what is none."""
    digits = typed.strip().replace(",", "")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else -1
