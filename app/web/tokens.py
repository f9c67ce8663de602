"""The page of the tokens of the API: which there are, one to make, one to take back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse

from app.deps import All, Services, needs
from app.errors import AppError
from app.web.view import go_on, page
from app.who import ROLES

router = APIRouter(prefix="/tokens")

Text = Annotated[str, Form()]


@router.get("")
@needs("administer")
def tokens(request: Request, found: All) -> HTMLResponse:
    return _page(request, found)


@router.post("")
@needs("administer")
def make(
    request: Request,
    found: All,
    name: Text = "",
    role: Text = "",
    days: Text = "",
    servers: Annotated[list[str] | None, Form()] = None,
) -> HTMLResponse:
    """Its secret is on this answer, and never again."""
    body: dict[str, object] = {"name": name, "role": role}
    if days.strip():
        body["days"] = _whole(days)
    if servers:
        body["servers"] = servers
    try:
        made, secret = found.access.tokens.make(body, found.who)
    except AppError as refusal:
        return _page(request, found, body, refusal)
    return _page(request, found, made=made.id, secret=secret, status=201)


@router.get("/{token_id}/delete")
@needs("administer")
def confirm_delete(request: Request, token_id: str, found: All) -> HTMLResponse:
    return page(
        request,
        "token_delete.html",
        token=found.access.tokens.get(token_id),
        server_count=len(found.servers.all()),
    )


@router.post("/{token_id}/delete")
@needs("administer")
def delete(request: Request, token_id: str, found: All) -> Response:
    name = found.access.tokens.get(token_id).name
    found.access.tokens.remove(token_id, found.who)
    return go_on(request, "/tokens", "revoked", name)


def _whole(text: str) -> int | str:
    """The number that was typed, or the text that is none: its field is then refused."""
    try:
        return int(text)
    except ValueError:  # also for one of more digits than Python reads
        return text


def _page(
    request: Request,
    found: Services,
    body: Mapping[str, object] | None = None,
    refusal: AppError | None = None,
    *,
    made: str = "",
    secret: str = "",
    status: int = 200,
) -> HTMLResponse:
    names = [status.spec.name for status in found.servers.all()]
    return page(
        request,
        "tokens.html",
        status=refusal.status if refusal else status,
        tokens=found.access.tokens.all(),
        now_us=found.access.tokens.now_us(),
        made=made,
        secret=secret,
        typed={"name": "", "role": "viewer", "days": "", "servers": (), **(body or {})},
        errors={e.field: e.detail for e in refusal.fields} if refusal else {},
        roles=ROLES,
        servers=names,
        server_count=len(names),
    )
