"""The panel: HTML pages, the fragments that change them, and their streams."""

from __future__ import annotations

from fastapi import APIRouter

from app.web import (
    account,
    actions,
    audit,
    certificates,
    deletions,
    docs,
    forms,
    login,
    pages,
    retention,
    stream,
    tokens,
    users,
)

router = APIRouter(include_in_schema=False)
for part in (
    *(retention, deletions, pages, forms, certificates, actions, stream),
    *(login, account, users, tokens, audit, docs),
):
    router.include_router(part.router)
