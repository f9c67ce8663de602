"""One's own account: the password, and the browsers that are logged in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, address_of, needs
from app.errors import AppError, Invalid, TooMany, Unauthorized
from app.web.login import agent_of, check_again, logged_in
from app.web.view import leave_flash, page

router = APIRouter(prefix="/account")

Text = Annotated[str, Form()]


@router.get("")
@needs("self")
def account(request: Request, found: All) -> HTMLResponse:
    return _page(request, found)


@router.post("/password")
@needs("self")
def change_password(
    request: Request, found: All, current: Text = "", password: Text = "", again: Text = ""
) -> Response:
    """Ends every session of the user; this browser has a new one."""
    try:
        found.access.sessions.check(found.who, current)
        check_again(password, again)
        user = found.access.users.change(found.who.name, {"password": password}, found.who)
    except (Invalid, TooMany, Unauthorized) as refusal:
        return _page(request, found, refusal)
    address, agent = address_of(request), agent_of(request)
    secret = found.access.sessions.begin(user, address=address, agent=agent)
    response = logged_in(request, secret, "/account")
    leave_flash(request, response, "password", user.name)
    return response


@router.post("/sessions/{session_id}/end")
@needs("self")
def end_session(session_id: str, found: All) -> Response:
    found.access.sessions.end(session_id, found.who)
    return RedirectResponse("/account", 303)


def _page(request: Request, found: Services, refusal: AppError | None = None) -> HTMLResponse:
    """A wrong password is of a field here: 422, for who asks is known."""
    status = 200
    if refusal is not None:
        status = 422 if isinstance(refusal, Unauthorized) else refusal.status
    return page(
        request,
        "account.html",
        status=status,
        sessions=found.access.sessions.all(found.who.name),
        errors={e.field: e.detail for e in refusal.fields} if refusal else {},
        general=refusal.detail if refusal and not refusal.fields else "",
        server_count=len(found.servers.all()),
    )
