"""The page of the API: every operation, from the description that programs read too."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse

from app.deps import All, needs
from app.web import words
from app.web.described import operations, shapes
from app.web.view import page

router = APIRouter()


@router.get("/docs")
@needs("see")
def docs(request: Request, found: All) -> HTMLResponse:
    document = request.app.openapi()
    return page(
        request,
        "docs.html",
        groups=operations(document),
        shapes=shapes(document),
        version=document["info"]["version"],
        origin=words.origin(found.settings.host, found.settings.port),
        server_count=len(found.servers.all()),
    )


@router.get("/openapi.json")
@needs("see")
def openapi(request: Request) -> JSONResponse:
    """As /api/v1/openapi.json, where programs look for it."""
    return JSONResponse(request.app.openapi())
