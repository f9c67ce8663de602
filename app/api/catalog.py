"""REST: what a server can be made of."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from app.api.shapes import HandlerShape, KindShape, Listing, handler_shape, kind_shape
from app.deps import AuditLog, By, Handlers, needs
from app.services.kinds import KINDS
from app.who import Act

router = APIRouter(tags=["catalog"])


@router.get("/openapi.json", include_in_schema=False)
@needs("see")
def get_openapi(request: Request) -> JSONResponse:
    """The description of this API."""
    return JSONResponse(request.app.openapi())


@router.get("/kinds", operation_id="listKinds")
@needs("see")
def list_kinds() -> Listing[KindShape]:
    """Transport x concurrency, and when to choose each."""
    return Listing(items=[kind_shape(kind) for kind in KINDS])


@router.get("/handlers", operation_id="listHandlers")
@needs("see_all")
def list_handlers(handlers: Handlers) -> Listing[HandlerShape]:
    """The ready-made ones and the user's own; a file that failed has its traceback in `error`."""
    return Listing(items=[handler_shape(info) for info in handlers.entries()])


@router.post("/handlers/rescan", operation_id="rescanHandlers")
@needs("administer")
def rescan_handlers(handlers: Handlers, audit: AuditLog, by: By) -> Listing[HandlerShape]:
    """Read the folder of the user's handlers again. Running servers keep what they run."""
    audit.note(Act(by=by, what="handlers.rescan", target="handlers"))
    return Listing(items=[handler_shape(info) for info in handlers.rescan()])
