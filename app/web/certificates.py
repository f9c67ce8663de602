"""The page of the certificates: which there are, one to store, one to make, one to delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse

from app.deps import All, Services, needs
from app.errors import AppError
from app.services.certificates import Certificate
from app.web.view import go_on, page
from app.who import Who

router = APIRouter(prefix="/certificates")


async def _typed(request: Request) -> Mapping[str, str]:
    """The form's fields; what was chosen as a file stands for what could have been pasted."""
    fields: dict[str, str] = {}
    async with request.form() as form:  # which closes the file
        for name, value in form.items():
            if isinstance(value, str):
                fields.setdefault(name, value)
            elif text := (await value.read()).decode("utf-8", "replace").strip():
                fields["pem"] = text
    return fields


Typed = Annotated[Mapping[str, str], Depends(_typed)]


@router.get("")
@needs("see_all")
def certificates(request: Request, found: All) -> HTMLResponse:
    return _page(request, found)


@router.post("")
@needs("administer")
def store(request: Request, found: All, typed: Typed) -> Response:
    body = {"name": typed.get("name", "").strip(), "pem": typed.get("pem", "")}
    return _do(request, found, "store", body, found.certificates.store)


@router.post("/self-signed")
@needs("administer")
def make(request: Request, found: All, typed: Typed) -> Response:
    hosts = [host for host in re.split(r"[\s,]+", typed.get("hosts", "")) if host]
    body = {"name": typed.get("name", "").strip(), "hosts": hosts}
    return _do(request, found, "make", body, found.certificates.make)


@router.get("/{name}/delete")
@needs("administer")
def confirm_delete(request: Request, name: str, found: All) -> HTMLResponse:
    return page(
        request,
        "certificate_delete.html",
        certificate=found.certificates.get(name),
        server_count=len(found.servers.all()),
    )


@router.post("/{name}/delete")
@needs("administer")
def delete(request: Request, name: str, found: All) -> Response:
    found.certificates.delete(name, found.who)
    return go_on(request, "/certificates", "unstored", name)


def _do(
    request: Request,
    found: Services,
    form: str,
    body: Mapping[str, object],
    act: Callable[[Mapping[str, object], Who], Certificate],
) -> Response:
    """What is refused is told in the `form` it came from. A pasted key is not sent back."""
    try:
        made = act(body, found.who)
    except AppError as refusal:
        return _page(request, found, form=form, body=body, refusal=refusal)
    return go_on(request, "/certificates", "stored", made.name)


def _page(
    request: Request,
    found: Services,
    *,
    form: str = "",
    body: Mapping[str, object] | None = None,
    refusal: AppError | None = None,
) -> HTMLResponse:
    hosts = (body or {}).get("hosts", [])
    return page(
        request,
        "certificates.html",
        status=refusal.status if refusal else 200,
        certificates=found.certificates.all(),
        form=form,
        name=(body or {}).get("name", ""),
        hosts=" ".join(hosts) if isinstance(hosts, list) else "",
        errors={e.field: e.detail for e in refusal.fields} if refusal else {},
        server_count=len(found.servers.all()),
    )
