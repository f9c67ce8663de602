"""The REST API: JSON under /api/v1. This is its route table."""

from __future__ import annotations

from fastapi import APIRouter

from app.api import catalog, certificates, events, exports, health, requests, retention, servers

router = APIRouter(prefix="/api/v1")
for part in (servers, exports, requests, retention, catalog, certificates, events, health):
    router.include_router(part.router)
