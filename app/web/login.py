"""Logging in and out, and the page on which the first user is made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, address_of, needs, session_cookie
from app.errors import AppError, FieldError, Invalid, TooMany, Unauthorized
from app.services.sessions import LONGEST_US
from app.services.users import ADMIN
from app.web.cookies import leave_cookie, take_cookie
from app.web.view import local_path, page

router = APIRouter()

Text = Annotated[str, Form()]
Next = Annotated[str, Query(alias="next")]


@router.get("/login")
def login(request: Request, found: All, to: Next = "/") -> Response:
    return _login(request, found, to)


@router.post("/login")
def log_in(
    request: Request,
    found: All,
    name: Text = "",
    password: Text = "",
    to: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    try:
        secret = found.access.sessions.log_in(
            name.strip(), password, address=address_of(request), agent=agent_of(request)
        )
    except (Unauthorized, TooMany) as refusal:
        return _login(request, found, to, name=name.strip(), refusal=refusal)
    _end_old(request, found)
    return logged_in(request, secret, to)


@router.post("/logout")
@needs("self")
def log_out(request: Request, found: All) -> Response:
    found.access.sessions.end(found.who.id, found.who)
    response = RedirectResponse("/login", 303)
    take_cookie(request, response, session_cookie(request))
    return response


@router.get("/setup")
def set_up(request: Request, found: All, key: str = "") -> Response:
    """Raises: Forbidden, once it is set up or too late."""
    found.access.users.check_set_up(key)
    return _set_up(request, key)


@router.post("/setup")
def make_first(
    request: Request,
    found: All,
    key: Text = "",
    name: Text = "",
    password: Text = "",
    again: Text = "",
) -> Response:
    address = address_of(request)
    body = {"name": name.strip(), "password": password}
    try:
        check_again(password, again)
        user = found.access.users.set_up(key, body, address)
    except (Invalid, TooMany) as refusal:
        found.access.users.check_set_up(key)
        return _set_up(request, key, name=name, refusal=refusal)
    secret = found.access.sessions.begin(user, address=address, agent=agent_of(request))
    return logged_in(request, secret, "/")


def check_again(password: str, again: str) -> None:
    """Raises: Invalid when a new password was not typed twice."""
    if password != again:
        raise Invalid(FieldError("not_the_same", "The two are not the same.", "again"))


def agent_of(request: Request) -> str:
    """What the browser says that it is."""
    return request.headers.get("user-agent", "")


def logged_in(request: Request, secret: str, to: str) -> Response:
    """On to a path of the panel, with the cookie of a session that has just begun."""
    response = RedirectResponse(local_path(to), 303)
    leave_cookie(request, response, session_cookie(request), secret, LONGEST_US // 1_000_000)
    return response


def _end_old(request: Request, found: Services) -> None:
    """What this browser was logged in as before is over."""
    old = request.cookies.get(session_cookie(request))
    who = old and found.access.sessions.find(old, address_of(request))
    if who:
        found.access.sessions.end(who.id, who)


def _login(
    request: Request,
    found: Services,
    to: str,
    *,
    name: str = "",
    refusal: AppError | None = None,
) -> HTMLResponse:
    response = page(
        request,
        "login.html",
        status=refusal.status if refusal else 200,
        to=local_path(to),
        name=name,
        refusal=refusal,
        is_set_up=found.access.users.any(),
    )
    if isinstance(refusal, TooMany):
        response.headers["Retry-After"] = str(refusal.retry_after_s)
    return response


def _set_up(
    request: Request, key: str, *, name: str = ADMIN, refusal: AppError | None = None
) -> HTMLResponse:
    return page(
        request,
        "setup.html",
        status=refusal.status if refusal else 200,
        key=key,
        name=name,
        errors={e.field: e.detail for e in refusal.fields} if refusal else {},
        general=refusal.detail if refusal and not refusal.fields else "",
    )
