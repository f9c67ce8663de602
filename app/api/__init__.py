"""The REST API: JSON under /api/v1. This is its route table."""

from __future__ import annotations

from fastapi import APIRouter

from app.api import (
    access,
    audit,
    catalog,
    certificates,
    deletions,
    events,
    exports,
    health,
    requests,
    retention,
    servers,
)

router = APIRouter(prefix="/api/v1")
for part in (
    *(servers, exports, requests, retention, deletions),
    *(catalog, certificates, events, health, access, audit),
):
    router.include_router(part.router)
