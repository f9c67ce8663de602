"""From values to HTML: the template environment, whole pages, fragments and the error page.

Everything is escaped (`autoescape=True` for every template) and a name that is not given is an
error. Knows no route and no service.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.errors import AppError
from app.static_files import STATIC
from app.web import access_words, filters, words
from app.web.cookies import leave_cookie, take_cookie

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"

THEMES = ("light", "dark", "auto")
THEME_COOKIE = "sockpit-theme"
FLASH_COOKIE = "sockpit-flash"

#: A page is as it was a moment ago; and htmx gets another answer at the same address.
PAGE_HEADERS = {"Cache-Control": "no-store", "Vary": "HX-Request"}

#: A path, and no address of another host in any spelling that a browser takes for one.
_LOCAL = re.compile(r"/(?![/\\])[^\x00-\x20\\\x7f]*")

Flash = Literal[
    "deleted",
    "saved",
    "kept",
    "dropped",
    "stored",
    "unstored",
    "password",
    "user",
    "gone",
    "revoked",
]
_FLASHES: dict[str, str] = {
    "password": "{} has a new password. Other browsers have to log in again.",
    "user": "{} can log in now.",
    "gone": "{} was deleted, and is logged out everywhere.",
    "revoked": "The token {} is good for nothing any more.",
    "deleted": "{} was deleted. Its requests stay in the log.",
    "saved": "{} was saved.",
    "kept": "The {} were saved. What is more than they allow is being deleted.",
    "dropped": "The log of {} was deleted.",
    "stored": "The certificate {} is there. Servers can use it from their next start.",
    "unstored": "The certificate {} and its key were deleted.",
}


@lru_cache
def static_url(path: str) -> str:
    """The address of a file under static/, changing with its content so that it may be kept."""
    digest = hashlib.sha256((STATIC / path).read_bytes()).hexdigest()[:12]
    return f"/static/{path}?v={digest}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters.FILTERS)
    environment.filters.update(words.FILTERS)
    environment.filters.update(access_words.FILTERS)
    environment.globals["static_url"] = static_url
    return environment


environment = _environment()


def render(template: str, **context: object) -> str:
    """One template as text, without white space around it: a morph would keep that."""
    return environment.get_template(template).render(context).strip()


def page(request: Request, template: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A whole page. A line left for it by the page before (`flash`) is shown once."""
    left = request.cookies.get(FLASH_COOKIE)
    html = render(
        template,
        **{
            "who": getattr(request.state, "who", None),
            "theme": theme(request),
            "flash": _flash(left),
            "path": _path(request),
            "server_count": None,
            **context,
        },
    )
    response = HTMLResponse(html, status, headers=PAGE_HEADERS)
    if left is not None:
        take_cookie(request, response, FLASH_COOKIE)
    return response


def _path(request: Request) -> str:
    query = request.url.query if request.method == "GET" else ""
    return f"{request.url.path}?{query}" if query else request.url.path


def leave_flash(request: Request, response: Response, what: Flash, name: str) -> None:
    """Leave a line for the page that comes next. A cookie has ASCII alone, a name any text."""
    left = f"{what}.{quote(name)}"
    leave_cookie(request, response, FLASH_COOKIE, left, 60)


def go_on(request: Request, to: str, what: Flash, name: str) -> Response:
    """To the page `to` after something was done, where that line is shown."""
    response = RedirectResponse(to, 303)
    leave_flash(request, response, what, name)
    return response


def _flash(left: str | None) -> str | None:
    what, _, name = (left or "").partition(".")
    return _FLASHES[what].format(unquote(name)) if what in _FLASHES and name else None


def theme(request: Request) -> str:
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


def is_htmx(request: Request) -> bool:
    return request.headers.get("HX-Request") == "true"


def partial(target: str, html: str, swap: str = "innerMorph") -> str:
    """One region of a page, as htmx puts it in place. `target` is an id."""
    return f'<hx-partial hx-target="#{target}" hx-swap="{swap}">{html}</hx-partial>'


def partials(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, headers=PAGE_HEADERS)


def local_path(text: str) -> str:
    """`text` if it is a path of the panel, else its start: a link must not lead to elsewhere."""
    return text if _LOCAL.fullmatch(text) else "/"


def login_first(request: Request, error: AppError) -> Response:
    """On to the login, and back here after it; a stream is refused, and its page reloads."""
    if request.url.path.startswith("/live/"):
        return Response(error.detail, error.status, media_type="text/plain")
    if is_htmx(request):
        here = urlsplit(request.headers.get("HX-Current-URL", "/"))
        to = f"{here.path}?{here.query}" if here.query else here.path
        return Response(status_code=error.status, headers={"HX-Redirect": _login_at(to)})
    to = _path(request) if request.method == "GET" else "/"
    return RedirectResponse(_login_at(to), 303)


def _login_at(to: str) -> str:
    return "/login" if to == "/" else f"/login?{urlencode({'next': to})}"


def error_page(request: Request, error: AppError) -> HTMLResponse:
    """The refusal as a page; for htmx as a line in the page that asked."""
    if is_htmx(request):
        return partials(partial("notice", render("_notice.html", text=error.detail)), error.status)
    return page(request, "error.html", status=error.status, error=error)
