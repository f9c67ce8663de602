"""The panel: HTML pages, the fragments that change them, and their streams."""

from __future__ import annotations

from fastapi import APIRouter

from app.web import actions, certificates, forms, pages, retention, stream

router = APIRouter(include_in_schema=False)
for part in (retention, pages, forms, certificates, actions, stream):
    router.include_router(part.router)
