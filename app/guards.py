"""What every answer carries and every request must pass, before any route sees it.

Pages show bytes that strangers sent, so: a strict content policy; only host names we know, since
a page elsewhere could have its name resolve to us; no state changed from another origin.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from asgi_cross_origin_protection import CrossOriginProtection
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.error_handlers import HttpError, respond
from app.errors import AppError, Forbidden, TooLarge
from app.settings import Settings

#: Bytes of a request body; a definition is a few hundred.
BODY_LIMIT = 1024 * 1024

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

#: Where a file may be uploaded.
UPLOAD = "/certificates"

#: How a form in parts may name its charset: as browsers would, if they did.
UTF_8 = re.compile(r";\s*charset=\"?utf-8\"?\s*(?=;|$)")

#: All of a Host header: an address of IPv6, or any other name; its port is not looked at.
HOST = re.compile(r"(?:\[([^\[\]]*:[^\[\]]*)\]|([^\[\]:]+))(?::[0-9]*)?")

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def guarded(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app` behind every guard, the headers outermost so that refusals carry them too."""
    limited = FormParts(ContentLength(RequestBodyLimitMiddleware(app, BODY_LIMIT)))
    same_origin = SameOrigin(limited)
    known = KnownHosts(same_origin, settings)
    return SecurityHeaders(known)


class SecurityHeaders:
    """Puts `HEADERS` on every answer, and no-store on all but files of ours.

    An answer may have a content policy of its own: what strangers sent is saved under a stricter
    one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                policy = headers.get("Content-Security-Policy", "")
                headers.update(HEADERS)
                if policy:
                    headers["Content-Security-Policy"] = policy
                if not scope["path"].startswith("/static/"):
                    headers["Cache-Control"] = "no-store"
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class SameOrigin:
    """Nothing is changed, and nothing watched, from a page of another site.

    Whoever shows a bearer token is exempt: no browser sends one by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.protected = CrossOriginProtection(app, deny_app=_deny_cross_origin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _shows_token(scope):
            await self.app(scope, receive, send)
        elif _is_stream(scope["path"]) and _is_cross_site(Headers(scope=scope)):
            await _deny_cross_origin(scope, receive, send)
        else:
            await self.protected(scope, receive, send)


def _shows_token(scope: Scope) -> bool:
    """Then its cookies count for nothing: `admit` looks at the token alone."""
    shown = Headers(scope=scope).get("authorization", "").lower()
    return scope["path"].startswith("/api/") and shown.startswith("bearer ")


def _is_stream(path: str) -> bool:
    return path.startswith("/live/") or path == "/api/v1/events"


def _is_cross_site(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


class KnownHosts:
    """Answers only to names that are ours, so that DNS rebinding leads nowhere."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.hosts = LOCAL_HOSTS | {
            host.lower() for host in (settings.host, *settings.allowed_hosts)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._known(Headers(scope=scope).get("host", "")):
            refusal = HttpError(
                400,
                "unknown_host_header",
                "The panel does not answer to this host name. Use 127.0.0.1, or add the name to"
                " SOCKPIT_ALLOWED_HOSTS.",
            )
            await _refuse(refusal, scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _known(self, header: str) -> bool:
        found = HOST.fullmatch(header)
        return found is not None and (found[1] or found[2]).lower() in self.hosts


class FormParts:
    """Refuses a form in parts where no file is uploaded: it takes long to read for its size, and
    is read before anybody is asked who they are. The API reads no forms, and says so itself.

    One that is uploaded is UTF-8: it would be read by whatever codec of Python has the name that
    it gives. One takes minutes for 1 MiB, others make text that nothing can write.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kind = Headers(scope=scope).get("content-type", "").lower()
            if "multipart" in kind and (refusal := self._refusal(scope["path"], kind)):
                await _refuse(refusal, scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _refusal(self, path: str, kind: str) -> AppError | None:
        if path == UPLOAD:
            if "charset" in UTF_8.sub("", kind):
                return HttpError(415, "form_charset", "A form is UTF-8: name no other charset.")
        elif not path.startswith("/api/"):
            detail = "No file is taken here. Send this form as application/x-www-form-urlencoded."
            return HttpError(415, "form_in_parts", detail)
        return None


class ContentLength:
    """Refuses a body by its announced length; one without is measured as it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            length = Headers(scope=scope).get("content-length", "0")
            if length.isdecimal() and int(length) > BODY_LIMIT:
                too_large = TooLarge(
                    "body_too_large",
                    f"The body has {length} bytes; at most {BODY_LIMIT} are taken.",
                )
                await _refuse(too_large, scope, receive, send)
                return
        await self.app(scope, receive, send)


async def _deny_cross_origin(scope: Scope, receive: Receive, send: Send) -> None:
    refusal = Forbidden(
        "cross_origin",
        "This came from a page of another site, so it was not done. Act from the panel itself.",
    )
    await _refuse(refusal, scope, receive, send)


async def _refuse(error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    await respond(Request(scope, receive), error)(scope, receive, send)
