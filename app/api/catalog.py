"""REST: what a server can be made of."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.shapes import HandlerShape, KindShape, Listing, handler_shape, kind_shape
from app.deps import Handlers
from app.services.kinds import KINDS

router = APIRouter(tags=["catalog"])


@router.get("/kinds", operation_id="listKinds")
def list_kinds() -> Listing[KindShape]:
    """Transport x concurrency, and when to choose each."""
    return Listing(items=[kind_shape(kind) for kind in KINDS])


@router.get("/handlers", operation_id="listHandlers")
def list_handlers(handlers: Handlers) -> Listing[HandlerShape]:
    """The ready-made ones and the user's own; a file that failed has its traceback in `error`."""
    return Listing(items=[handler_shape(info) for info in handlers.entries()])


@router.post("/handlers/rescan", operation_id="rescanHandlers")
def rescan_handlers(handlers: Handlers) -> Listing[HandlerShape]:
    """Read the folder of the user's handlers again. Running servers keep what they run."""
    return Listing(items=[handler_shape(info) for info in handlers.rescan()])
