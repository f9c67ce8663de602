"""What a route may ask for: the services, as annotated aliases; and who asks.

Every route says what it is there for, by `needs`. One that does not is refused: see `admit`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Final, TypeVar

from fastapi import Depends, Request

from app.errors import Forbidden, Unauthorized
from app.handlers.registry import HandlerRegistry
from app.services import own_cookie
from app.services.access import Access, Shown, authorize
from app.services.audit import Audit
from app.services.certificates import Certificates
from app.services.deletions import Deletions
from app.services.exports import Exports
from app.services.live import LiveFeed
from app.services.requests import RequestLog
from app.services.retention import Retention
from app.services.servers import ServerService
from app.settings import Settings
from app.who import Action, Who

F = TypeVar("F", bound=Callable[..., object])

#: What anybody may ask for. The files under /static are public too.
PUBLIC: Final = (
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/setup"),
    ("POST", "/setup"),
    ("POST", "/theme"),
    ("GET", "/api/v1/health"),
)

#: Seconds until a stream asks anew whether it may go on.
LOOK_S: Final = 5.0

#: Whoever asks for what is public: nobody that we know, who may see nothing.
NOBODY: Final = Who(kind="machine", name="nobody", role="viewer", servers=frozenset())


@dataclass(frozen=True, slots=True)
class Services:
    """All of them, built once at start-up; `app.state.services`."""

    settings: Settings
    servers: ServerService
    requests: RequestLog
    retention: Retention
    deletions: Deletions
    exports: Exports
    handlers: HandlerRegistry
    certificates: Certificates
    feed: LiveFeed
    access: Access
    audit: Audit
    who: Who = NOBODY  # whoever asks
    shown: Shown = Shown()


class Admission:
    """A stream's leave to go on, asked for anew every `LOOK_S` seconds: that counts as a use."""

    def __init__(self, found: Services) -> None:
        self._found = found
        self._looked = time.monotonic()

    def check(self) -> None:
        """Raises: Unauthorized once whoever watches is not to any more."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        if self._found.access.identify(self._found.shown) != self._found.who:
            raise Unauthorized("session_over", "Your role was changed. Log in again.")


@dataclass(frozen=True, slots=True)
class Need:
    """What a route is there for, and which of its path's names is the server's."""

    action: Action
    server: str | None = None


def needs(action: Action, server: str | None = None) -> Callable[[F], F]:
    """Declare what a route is there for. `server`: the name of the path parameter that is one."""

    def declared(route: F) -> F:
        route.__dict__["need"] = Need(action, server)
        return route

    return declared


def admit(request: Request) -> None:
    """Let nobody through to a route that may not have it. Of every route: default deny.

    Raises: Unauthorized; Forbidden; NotFound for a server that the caller is not to know of.
    """
    found = _built(request)
    if (request.method, request.url.path) in PUBLIC:
        return
    shown = _shown(request)
    request.state.shown = shown
    request.state.who = who = found.access.identify(shown)
    need = getattr(request.scope["endpoint"], "need", None)
    if not isinstance(need, Need):
        raise Forbidden("not_classified", "Nobody may have this: it does not say who may.")
    authorize(who, need.action, request.path_params[need.server] if need.server else None)


def session_cookie(request: Request) -> str:
    """The name of the cookie that holds a session: over TLS one that no other host can set."""
    return f"__Host-{own_cookie.NAME}" if request.url.scheme == "https" else own_cookie.NAME


def is_for_programs(request: Request) -> bool:
    """Whether it is asked of the API, or for its description, which lies beside it too."""
    path = request.url.path
    return path.startswith("/api/") or path == "/openapi.json"


def address_of(request: Request) -> str:
    """The address that it comes from."""
    return request.client.host if request.client else ""


def _shown(request: Request) -> Shown:
    token = None
    if is_for_programs(request):
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        token = credentials.strip() if scheme.lower() == "bearer" else None
    session = request.cookies.get(session_cookie(request))
    return Shown(session, token, address_of(request))


def _built(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


async def services(request: Request) -> Services:
    """All of them, for whoever asks."""
    who = getattr(request.state, "who", None)
    if who is None:
        return _built(request)
    return replace(_built(request), who=who, shown=request.state.shown)


# Built once for a request, however many of these it asks for.
All = Annotated[Services, Depends(services)]


async def _who(found: All) -> Who:
    return found.who


async def _servers(found: All) -> ServerService:
    return found.servers


async def _requests(found: All) -> RequestLog:
    return found.requests


async def _retention(found: All) -> Retention:
    return found.retention


async def _deletions(found: All) -> Deletions:
    return found.deletions


async def _exports(found: All) -> Exports:
    return found.exports


async def _handlers(found: All) -> HandlerRegistry:
    return found.handlers


async def _certificates(found: All) -> Certificates:
    return found.certificates


async def _audit(found: All) -> Audit:
    return found.audit


async def _access(found: All) -> Access:
    return found.access


async def _feed(found: All) -> LiveFeed:
    return found.feed


Servers = Annotated[ServerService, Depends(_servers)]
Requests = Annotated[RequestLog, Depends(_requests)]
LogDeletions = Annotated[Deletions, Depends(_deletions)]
LogExports = Annotated[Exports, Depends(_exports)]
KeptLog = Annotated[Retention, Depends(_retention)]
Handlers = Annotated[HandlerRegistry, Depends(_handlers)]
StoredCertificates = Annotated[Certificates, Depends(_certificates)]
AuditLog = Annotated[Audit, Depends(_audit)]
AccessControl = Annotated[Access, Depends(_access)]
By = Annotated[Who, Depends(_who)]
Feed = Annotated[LiveFeed, Depends(_feed)]
