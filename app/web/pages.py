"""The pages that are read: servers, one server, the request log, one request, handlers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, needs
from app.web.conversation import conversation_context
from app.web.jump import Jump
from app.web.log_pages import (
    PAGE_ROWS,
    alarms_of_log,
    counted,
    live_context,
    log_context,
    search,
)
from app.web.one_screens import request_context
from app.web.screens import (
    NO_ERRORS,
    server_context,
    servers_context,
)
from app.web.view import page

router = APIRouter()


@router.get("/")
@needs("see")
def home() -> Response:
    return RedirectResponse("/servers", 303)


@router.get("/servers")
@needs("see")
def servers(request: Request, found: All) -> HTMLResponse:
    return servers_page(request, found)


def servers_page(
    request: Request, found: Services, *, name: str = "", error: str = "", status: int = 200
) -> HTMLResponse:
    """The list; with `error` beside the server `name`, when an action was refused."""
    errors = {name: error} if error else NO_ERRORS
    return page(request, "servers.html", status=status, **servers_context(found, errors))


@router.get("/servers/{name}")
@needs("see", server="name")
def server(request: Request, name: str, found: All) -> HTMLResponse:
    return server_page(request, found, name)


def server_page(
    request: Request,
    found: Services,
    name: str,
    *,
    error: str | None = None,
    refused: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    context = server_context(found, name, error=error, refused=refused)
    return page(request, "server.html", status=status, live=True, **context)


@router.get("/requests")
@needs("see")
def requests(
    request: Request,
    found: All,
    q: Annotated[str, Query()] = "",
    server: Annotated[str | None, Query()] = None,
    before: Annotated[str | None, Query()] = None,
    after: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    asked = search(q, server)
    live = not (asked.error or before or after)
    if live:
        context = live_context(found, asked)
    else:
        context = {**log_context(found, asked, before or None, after or None), "place": None}
    return page(
        request,
        "requests.html",
        status=422 if asked.error else 200,
        server_count=len(found.servers.all()),
        live=live,
        page_rows=PAGE_ROWS,
        counted=counted(found, asked),
        alarms=alarms_of_log(found),
        **context,
    )


@router.get("/requests/{request_id}")
@needs("see")
def one_request(
    request: Request,
    request_id: str,
    found: All,
    everything: Annotated[bool, Query(alias="all")] = False,
    of: Annotated[str, Query()] = "received",
    at: Annotated[str, Query()] = "",
) -> HTMLResponse:
    context = request_context(found, request_id, everything=everything, of=of, at=at)
    jump = context["jump"]
    assert isinstance(jump, Jump)
    return page(
        request,
        "request.html",
        status=422 if jump.error else 200,
        server_count=len(found.servers.all()),
        **context,
    )


@router.get("/requests/{request_id}/conversation")
@needs("see")
def conversation(
    request: Request,
    request_id: str,
    found: All,
    before: Annotated[str | None, Query()] = None,
    after: Annotated[str | None, Query()] = None,
) -> HTMLResponse:
    return page(
        request,
        "conversation.html",
        status=200,
        server_count=len(found.servers.all()),
        **conversation_context(found, request_id, before, after),
    )


@router.get("/handlers")
@needs("see_all")
def handlers(request: Request, found: All) -> HTMLResponse:
    return page(
        request,
        "handlers.html",
        handlers=found.handlers.entries(),
        folder=found.settings.handlers_dir.absolute(),
        server_count=len(found.servers.all()),
    )
