"""The form that defines a server, and the one that changes it.

The form's fields become the body that the JSON API takes; what is refused comes back beside the
field, with what was typed kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.deps import Services, services
from app.domain import CONCURRENCIES, TRANSPORTS, InetAddress, Limits, ServerSpec
from app.errors import AppError, Conflict, NotFound
from app.handlers.registry import OptionInfo
from app.services.kinds import KINDS
from app.web.view import leave_flash, page

router = APIRouter()

Values = Mapping[str, str]

#: A form's field by the path of the JSON body's; options are `option.<handler>.<option>`.
_FIELDS = {
    "address.host": "host",
    "address.port": "port",
    "address.name": "socket_name",
    "limits.max_connections": "max_connections",
    "limits.idle_timeout_s": "idle_timeout_s",
    "limits.backlog": "backlog",
}
_LIMITS = ("max_connections", "idle_timeout_s", "backlog")
_UNIX = ("unix", "unix-datagram")


async def _values(request: Request) -> Values:
    return {name: value for name, value in (await request.form()).items() if type(value) is str}


All = Annotated[Services, Depends(services)]
Given = Annotated[Values, Depends(_values)]


@router.get("/new")
def new(request: Request, found: All) -> HTMLResponse:
    return _form(request, found, _blank(found))


@router.post("/new")
def create(request: Request, found: All, given: Given) -> Response:
    wanted = "running" if given.get("start") else "stopped"
    body = {"name": given.get("name", "").strip(), **_body(found, given), "wanted": wanted}
    try:
        status = found.servers.create(body)
    except AppError as refusal:
        return _form(request, found, given, refusal=refusal)
    return RedirectResponse(f"/servers/{status.spec.name}", 303)


@router.get("/servers/{name}/edit")
def edit(request: Request, name: str, found: All) -> HTMLResponse:
    spec = found.servers.get(name).spec
    return _form(request, found, {**_blank(found), **_filled(spec)}, name=name)


@router.post("/servers/{name}/edit")
def save(request: Request, name: str, found: All, given: Given) -> Response:
    spec = found.servers.get(name).spec
    now = _body(found, _filled(spec))
    changes = {key: value for key, value in _body(found, given).items() if value != now[key]}
    try:
        _save(found, name, changes, restart=bool(given.get("restart")))
    except NotFound:
        raise
    except AppError as refusal:
        return _form(request, found, given, name=name, refusal=refusal)
    response = RedirectResponse(f"/servers/{name}", 303)
    leave_flash(response, "saved", name)
    return response


def _save(found: Services, name: str, changes: Mapping[str, object], *, restart: bool) -> None:
    """Change it; with `restart`, also what cannot be changed while it runs.

    A change that is refused leaves it running as it was.
    """
    try:
        found.servers.update(name, changes)
    except Conflict as refusal:
        if refusal.code != "server_running" or not restart:
            raise
        found.servers.stop(name)
        try:
            found.servers.update(name, changes)
        finally:
            found.servers.start(name)


def _form(
    request: Request,
    found: Services,
    values: Values,
    *,
    name: str | None = None,
    refusal: AppError | None = None,
) -> HTMLResponse:
    """`name`: of the server that is changed, None for a new one."""
    errors, general = _errors(refusal, values)
    return page(
        request,
        "server_form.html",
        status=refusal.status if refusal else 200,
        values=values,
        server=found.servers.get(name) if name else None,
        errors=errors,
        general=general,
        first_error=next(iter(errors), None),
        kinds=KINDS,
        transports=TRANSPORTS,
        concurrencies=CONCURRENCIES,
        handlers=[info for info in found.handlers.entries() if not info.broken],
        hosts=found.settings.listen_hosts,
        ports=_ports(found),
        defaults=Limits(),
        server_count=len(found.servers.all()),
    )


def _ports(found: Services) -> str:
    """`1024-65535`, `80, 20000-20019`: where a server may listen."""
    ranges = found.settings.listen_ports
    return ", ".join(f"{low}" if low == high else f"{low}–{high}" for low, high in ranges)


def _errors(refusal: AppError | None, values: Values) -> tuple[dict[str, str], str | None]:
    """Sentences by the form's field, and one for the form when no field is at fault."""
    errors: dict[str, str] = {}
    for wrong in refusal.fields if refusal else ():
        field = _field(wrong.field, values)
        errors[field] = f"{errors[field]} {wrong.detail}" if field in errors else wrong.detail
    return errors, None if errors or not refusal else refusal.detail


def _field(path: str, values: Values) -> str:
    if path == "address":
        return "socket_name" if values.get("transport") in _UNIX else "host"
    if path.startswith("handler_options."):
        return f"option.{values.get('handler', '')}.{path.removeprefix('handler_options.')}"
    return _FIELDS.get(path, path)


def _blank(found: Services) -> dict[str, str]:
    usable = [info.key for info in found.handlers.entries() if not info.broken]
    return {
        "name": "",
        "transport": TRANSPORTS[0],
        "concurrency": CONCURRENCIES[0],
        "handler": usable[0] if usable else "",
        "host": found.settings.listen_hosts[0] if found.settings.listen_hosts else "",
        "port": "0",
        "socket_name": "",
        "start": "on",
        **_limits(Limits()),
    }


def _filled(spec: ServerSpec) -> dict[str, str]:
    """The form as it would be for `spec`."""
    values = {
        "name": spec.name,
        "transport": spec.transport,
        "concurrency": spec.concurrency,
        "handler": spec.handler,
        **_limits(spec.limits),
    }
    for option, value in spec.handler_options.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        values[f"option.{spec.handler}.{option}"] = text
    if isinstance(spec.address, InetAddress):
        return {**values, "host": spec.address.host, "port": str(spec.address.port)}
    return {**values, "socket_name": spec.address.name}


def _limits(limits: Limits) -> dict[str, str]:
    values = (getattr(limits, name) for name in _LIMITS)
    texts = (str(int(value)) if value == int(value) else str(value) for value in values)
    return dict(zip(_LIMITS, texts, strict=True))


def _body(found: Services, given: Values) -> dict[str, object]:
    """The JSON body that the form stands for, but for its name and wanted state.

    What is no number where one belongs stays text: the service says what is wrong with it.
    """
    limits = {name: _number(given[name]) for name in _LIMITS if given.get(name, "").strip()}
    return {
        "transport": given.get("transport", ""),
        "concurrency": given.get("concurrency", ""),
        "handler": given.get("handler", ""),
        "handler_options": _options(found, given),
        "address": _address(given),
        "limits": limits,
    }


def _address(given: Values) -> dict[str, object]:
    if given.get("transport") in _UNIX:
        return {"name": given.get("socket_name", "").strip()}
    port = given.get("port", "").strip()
    return {"host": given.get("host", "").strip(), "port": _number(port) if port else 0}


def _options(found: Services, given: Values) -> dict[str, object]:
    """The options of the chosen handler that were given and are not as by default."""
    key = given.get("handler", "")
    info = found.handlers.get(key)
    options: dict[str, object] = {}
    for option in info.options if info else ():
        text = given.get(f"option.{key}.{option.name}", given.get(f"option.{option.name}"))
        if text is None or (not text.strip() and option.type != "str"):
            continue
        value = _typed(option, text)
        if value != option.default:
            options[option.name] = value
    return options


def _typed(option: OptionInfo, text: str) -> object:
    if option.type == "str":
        return text
    if option.type == "bool":
        return {"true": True, "false": False}.get(text, text)
    return _number(text.strip())


def _number(text: str) -> int | float | str:
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
