"""The page of what is kept of the log: how much there is, the rules, its days, to delete one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, needs
from app.domain import RetentionRules
from app.errors import Invalid
from app.web.log_pages import alarms_of_log
from app.web.view import go_on, page

router = APIRouter(prefix="/requests/retention")

Text = Annotated[str, Form()]

#: The unit that the form has sizes in. Megabytes, as everywhere on the pages: of 1000².
_MB = 1_000_000


@router.get("")
@needs("see_all")
def retention(request: Request, found: All) -> HTMLResponse:
    return _page(request, found, _typed(found.retention.kept().rules))


@router.post("")
@needs("administer")
def change(
    request: Request, found: All, max_age_days: Text = "", max_megabytes: Text = ""
) -> Response:
    typed = {"max_age_days": max_age_days.strip(), "max_bytes": max_megabytes.strip()}
    now = found.retention.kept().rules
    # What was not touched stays as it is to the byte.
    body = {k: _read(k, text) for k, text in typed.items() if text != _typed(now)[k]}
    try:
        found.retention.change(body, found.who)
    except Invalid as refusal:
        return _page(request, found, typed, refusal)
    return go_on(request, "/requests/retention", "kept", "rules")


@router.post("/damaged/{name}/acknowledge")
@needs("administer")
def acknowledge(name: str, found: All) -> Response:
    found.requests.acknowledge(name, found.who)
    return RedirectResponse("/requests/retention#damaged", 303)


@router.get("/{day}/delete")
@needs("administer")
def confirm_delete(request: Request, day: str, found: All) -> HTMLResponse:
    return _confirm(request, found, day)


@router.post("/{day}/delete")
@needs("administer")
def delete(request: Request, day: str, found: All, typed: Text = "") -> Response:
    if typed.strip().replace("-", "") != day:
        return _confirm(request, found, day, typed=typed, wrong=True)
    found.retention.drop(day, found.who)
    return go_on(request, "/requests/retention", "dropped", _dashed(day))


def _confirm(
    request: Request, found: Services, day: str, *, typed: str = "", wrong: bool = False
) -> HTMLResponse:
    held = found.retention.day(day)
    return page(
        request,
        "day_delete.html",
        status=422 if wrong else 200,
        held=held,
        name=_dashed(day),
        typed=typed,
        wrong=wrong,
        server_count=len(found.servers.all()),
    )


def _page(
    request: Request,
    found: Services,
    typed: Mapping[str, str],
    refusal: Invalid | None = None,
) -> HTMLResponse:
    return page(
        request,
        "retention.html",
        status=refusal.status if refusal else 200,
        kept=found.retention.kept(),
        days=[(held, _dashed(held.day)) for held in found.retention.days()],
        damaged=found.requests.damaged(),
        alarms=alarms_of_log(found),
        typed=typed,
        errors={e.field: _in_words(e.code, e.field) for e in refusal.fields} if refusal else {},
        server_count=len(found.servers.all()),
    )


def _typed(rules: RetentionRules) -> dict[str, str]:
    """The rules as the form has them."""
    megabytes = f"{rules.max_bytes / _MB:.2f}".rstrip("0").rstrip(".")
    return {"max_age_days": str(rules.max_age_days), "max_bytes": megabytes}


def _read(field: str, text: str) -> object:
    try:
        return int(text) if field == "max_age_days" else round(float(text) * _MB)
    except (ValueError, OverflowError):
        return text


def _in_words(code: str, field: str) -> str:
    """In the form's own unit."""
    if field == "max_age_days":
        return "Days are a whole number from 0 (no limit) to 36500."
    if code == "wrong_type":
        return "The size is a number of MB."
    return "The size is 0 (no limit), or from 68 MB on."


def _dashed(day: str) -> str:
    """`2026-03-14` of `20260314`."""
    return f"{day[:4]}-{day[4:6]}-{day[6:]}"
