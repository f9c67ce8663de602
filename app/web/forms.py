"""The form that defines a server, and the one that changes it.

What is refused comes back beside the field, with what was typed kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import All, Services, needs
from app.domain import CAPTURE_POLICIES, CONCURRENCIES, ISOLATIONS, TRANSPORTS
from app.errors import AppError, Conflict, NotFound
from app.services.kinds import KINDS
from app.web import form_values
from app.web.form_values import MAKE, Values
from app.web.view import go_on, page

router = APIRouter()

_EVERYWHERE = ("0.0.0.0", "::")


async def _values(request: Request) -> Values:
    async with request.form() as form:  # which closes files that nobody asked for
        return {name: value for name, value in form.items() if type(value) is str}


Given = Annotated[Values, Depends(_values)]


@router.get("/new")
@needs("define")
def new(request: Request, found: All) -> HTMLResponse:
    return _form(request, found, form_values.blank(found))


@router.post("/new")
@needs("define")
def create(request: Request, found: All, given: Given) -> Response:
    name = given.get("name", "").strip()
    wanted = "running" if given.get("start") else "stopped"
    try:
        with _certified(found, name, given) as body:
            status = found.servers.create({"name": name, **body, "wanted": wanted}, found.who)
    except AppError as refusal:
        return _form(request, found, given, refusal=refusal)
    return RedirectResponse(f"/servers/{status.spec.name}", 303)


@router.get("/servers/{name}/edit")
@needs("define", server="name")
def edit(request: Request, name: str, found: All) -> HTMLResponse:
    spec = found.servers.get(name).spec
    values = {**form_values.blank(found), **form_values.filled(spec)}
    return _form(request, found, values, name=name)


@router.post("/servers/{name}/edit")
@needs("define", server="name")
def save(request: Request, name: str, found: All, given: Given) -> Response:
    spec = found.servers.get(name).spec
    now = form_values.body(found, form_values.filled(spec))
    try:
        with _certified(found, name, given) as body:
            changes = {key: value for key, value in body.items() if value != now[key]}
            _save(found, name, changes, restart=bool(given.get("restart")))
    except NotFound:
        raise
    except AppError as refusal:
        return _form(request, found, given, name=name, refusal=refusal)
    return go_on(request, f"/servers/{name}", "saved", name)


@contextmanager
def _certified(found: Services, name: str, given: Values) -> Iterator[dict[str, object]]:
    """The body of the form, with the certificate made that it asks for; taken back when what
    follows is refused."""
    body = form_values.body(found, given)
    tls = body["tls"]
    if not isinstance(tls, dict) or tls["certificate"] != MAKE:
        yield body
        return
    host = given.get("host", "").strip()
    here = (host,) if host in found.settings.listen_hosts and host not in _EVERYWHERE else ()
    made = found.certificates.make(
        {
            "name": found.certificates.free_name(name),
            "hosts": list(dict.fromkeys((*here, "localhost", "127.0.0.1", "::1"))),
        },
        found.who,
    )
    tls["certificate"] = made.name
    try:
        yield body
    except AppError:
        if not found.certificates.get(made.name).used_by:  # as by one that only could not start
            found.certificates.delete(made.name, found.who)
        raise


def _save(found: Services, name: str, changes: Mapping[str, object], *, restart: bool) -> None:
    """Change it; with `restart`, also what cannot be changed while it runs.

    A change that is refused leaves it running as it was.
    """
    try:
        found.servers.update(name, changes, found.who)
    except Conflict as refusal:
        if refusal.code != "server_running" or not restart:
            raise
        found.servers.stop(name, found.who)
        try:
            found.servers.update(name, changes, found.who)
        finally:
            found.servers.start(name, found.who)


def _form(
    request: Request,
    found: Services,
    values: Values,
    *,
    name: str | None = None,
    refusal: AppError | None = None,
) -> HTMLResponse:
    """`name`: of the server that is changed, None for a new one."""
    defaults = form_values.blank(found)
    if refusal is not None:  # what a program left out is as in a new form, but for the check box
        values = {**defaults, "start": "", **values}
    errors, general = form_values.errors(refusal, values)
    return page(
        request,
        "server_form.html",
        status=refusal.status if refusal else 200,
        values=values,
        server=found.servers.get(name) if name else None,
        errors=errors,
        general=general,
        first_error=next(iter(errors), None),
        server_count=len(found.servers.all()),
        **_choices(found),
    )


def _choices(found: Services) -> dict[str, object]:
    """What the form offers."""
    return {
        "kinds": KINDS,
        "transports": TRANSPORTS,
        "concurrencies": CONCURRENCIES,
        "isolations": ISOLATIONS,
        "policies": CAPTURE_POLICIES,
        "certificates": found.certificates.all(),
        "make": MAKE,
        "handlers": [info for info in found.handlers.entries() if not info.broken],
        "hosts": found.settings.listen_hosts,
        "ports": _ports(found),
        "advanced": form_values.ADVANCED,
        "defaults": form_values.blank(found),
    }


def _ports(found: Services) -> str:
    """`1024-65535`, `80, 20000-20019`: where a server may listen."""
    ranges = found.settings.listen_ports
    return ", ".join(f"{low}" if low == high else f"{low}–{high}" for low, high in ranges)
