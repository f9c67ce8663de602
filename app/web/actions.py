"""What the panel's buttons do. htmx gets the regions that changed; a plain form is sent back.

A refusal is told in the row or section it belongs to, with its status.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.deps import All, Services, needs
from app.domain import ServerStatus
from app.errors import AppError, NotFound
from app.web.cookies import leave_cookie
from app.web.pages import server_page, servers_page
from app.web.screens import ServerScreen, ServersScreen, all_regions
from app.web.view import THEME_COOKIE, THEMES, go_on, is_htmx, local_path, page, partials
from app.who import Act, Who

router = APIRouter()

Back = Annotated[str, Form()]

#: Seconds that a choice of theme is kept: a year.
_THEME_AGE_S = 365 * 86_400


@router.post("/servers/{name}/start")
@needs("operate", server="name")
def start(request: Request, name: str, found: All, back: Back = "") -> Response:
    return _act(request, found, name, found.servers.start, back)


@router.post("/servers/{name}/stop")
@needs("operate", server="name")
def stop(request: Request, name: str, found: All, back: Back = "") -> Response:
    return _act(request, found, name, found.servers.stop, back)


@router.post("/servers/{name}/restart")
@needs("operate", server="name")
def restart(request: Request, name: str, found: All, back: Back = "") -> Response:
    return _act(request, found, name, found.servers.restart, back)


def _act(
    request: Request,
    found: Services,
    name: str,
    verb: Callable[[str, Who], ServerStatus],
    back: str,
) -> Response:
    """Do it, then show the page that asked: the list, or the server's own."""
    status, error = 200, ""
    try:
        verb(name, found.who)
    except NotFound:
        raise
    except AppError as refusal:
        status, error = refusal.status, refusal.detail
    in_list = back == "/servers"
    if is_htmx(request):
        if in_list:
            screen = all_regions(ServersScreen(found, {name: error} if error else {}))
        else:
            screen = all_regions(ServerScreen(found, name, error=error or None))
        return partials(screen, status)
    if not error:
        return RedirectResponse("/servers" if in_list else f"/servers/{name}", 303)
    if in_list:
        return servers_page(request, found, name=name, error=error, status=status)
    return server_page(request, found, name, error=error, status=status)


@router.post("/servers/{name}/connections/{connection_id}/disconnect")
@needs("operate", server="name")
def disconnect(request: Request, name: str, connection_id: int, found: All) -> Response:
    found.servers.get(name)  # NotFound is then of the server, not of the connection
    status, refused = 200, None
    try:
        found.servers.disconnect(name, connection_id, found.who)
    except AppError as refusal:
        status, refused = refusal.status, refusal.detail
    if is_htmx(request):
        return partials(all_regions(ServerScreen(found, name, refused=refused)), status)
    if refused is None:
        return RedirectResponse(f"/servers/{name}#connections", 303)
    return server_page(request, found, name, refused=refused, status=status)


@router.get("/servers/{name}/delete")
@needs("define", server="name")
def confirm_delete(request: Request, name: str, found: All) -> Response:
    return page(
        request,
        "server_delete.html",
        server=found.servers.get(name),
        server_count=len(found.servers.all()),
    )


@router.post("/servers/{name}/delete")
@needs("define", server="name")
def delete(request: Request, name: str, found: All) -> Response:
    found.servers.delete(name, found.who)
    return go_on(request, "/servers", "deleted", name)


@router.post("/handlers/rescan")
@needs("administer")
def rescan(found: All) -> Response:
    found.audit.note(Act(by=found.who, what="handlers.rescan", target="handlers"))
    found.handlers.rescan()
    return RedirectResponse("/handlers", 303)


@router.post("/theme")
def choose_theme(
    request: Request, theme: Annotated[str, Form()] = "auto", back: Back = "/"
) -> Response:
    """Kept in a cookie; `back` is a path of the panel."""
    response = RedirectResponse(local_path(back), 303)
    if theme in THEMES:
        leave_cookie(request, response, THEME_COOKIE, theme, _THEME_AGE_S)
    return response
