"""The pages of the users: who there is, one to make, one to change or delete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, needs
from app.errors import AppError, NotFound
from app.web.view import go_on, page
from app.who import ROLES

router = APIRouter(prefix="/users")

Text = Annotated[str, Form()]


@router.get("")
@needs("administer")
def users(request: Request, found: All) -> HTMLResponse:
    return _page(request, found)


@router.post("")
@needs("administer")
def create(
    request: Request, found: All, name: Text = "", role: Text = "", password: Text = ""
) -> Response:
    body = {"name": name.strip(), "role": role, "password": password}
    try:
        made = found.access.users.create(body, found.who)
    except AppError as refusal:
        return _page(request, found, body, refusal)
    return go_on(request, "/users", "user", made.name)


@router.get("/{user}")
@needs("administer")
def one(request: Request, user: str, found: All) -> HTMLResponse:
    return _one(request, found, user)


@router.post("/{user}")
@needs("administer")
def change(
    request: Request, user: str, found: All, role: Text = "", password: Text = ""
) -> Response:
    """A password that is left empty stays."""
    body = {"role": role, **({"password": password} if password else {})}
    try:
        found.access.users.change(user, body, found.who)
    except NotFound:
        raise
    except AppError as refusal:
        return _one(request, found, user, refusal)
    return go_on(request, "/users", "saved", user)


@router.get("/{user}/delete")
@needs("administer")
def confirm_delete(request: Request, user: str, found: All) -> HTMLResponse:
    return _confirm(request, found, user)


@router.post("/{user}/delete")
@needs("administer")
def delete(request: Request, user: str, found: All) -> Response:
    try:
        found.access.users.remove(user, found.who)
    except NotFound:
        raise
    except AppError as refusal:
        return _confirm(request, found, user, refusal)
    return go_on(request, "/users", "gone", user)


@router.post("/{user}/sessions/{session_id}/end")
@needs("administer")
def end_session(user: str, session_id: str, found: All) -> Response:
    found.access.sessions.end(session_id, found.who)
    return RedirectResponse(f"/users/{user}", 303)


def _page(
    request: Request,
    found: Services,
    body: Mapping[str, str] | None = None,
    refusal: AppError | None = None,
) -> HTMLResponse:
    return page(
        request,
        "users.html",
        status=refusal.status if refusal else 200,
        users=found.access.users.all(),
        sessions=Counter(session.user for session in found.access.sessions.all()),
        typed=body or {"name": "", "role": "viewer"},
        **_refused(refusal),
        **_around(found),
    )


def _one(
    request: Request, found: Services, name: str, refusal: AppError | None = None
) -> HTMLResponse:
    return page(
        request,
        "user.html",
        status=refusal.status if refusal else 200,
        user=found.access.users.get(name),
        sessions=found.access.sessions.all(name),
        **_refused(refusal),
        **_around(found),
    )


def _confirm(
    request: Request, found: Services, name: str, refusal: AppError | None = None
) -> HTMLResponse:
    return page(
        request,
        "user_delete.html",
        status=refusal.status if refusal else 200,
        user=found.access.users.get(name),
        **_refused(refusal),
        **_around(found),
    )


def _refused(refusal: AppError | None) -> dict[str, object]:
    return {
        "errors": {e.field: e.detail for e in refusal.fields} if refusal else {},
        "general": refusal.detail if refusal and not refusal.fields else "",
    }


def _around(found: Services) -> dict[str, object]:
    return {"roles": ROLES, "server_count": len(found.servers.all())}
