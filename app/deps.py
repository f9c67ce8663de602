"""What a route may ask for: the services, as annotated aliases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from app.handlers.registry import HandlerRegistry
from app.services.certificates import Certificates
from app.services.live import LiveFeed
from app.services.requests import RequestLog
from app.services.retention import Retention
from app.services.servers import ServerService
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """All of them, built once at start-up; `app.state.services`."""

    settings: Settings
    servers: ServerService
    requests: RequestLog
    retention: Retention
    handlers: HandlerRegistry
    certificates: Certificates
    feed: LiveFeed


def services(request: Request) -> Services:
    found = request.app.state.services
    assert isinstance(found, Services)
    return found


def _servers(request: Request) -> ServerService:
    return services(request).servers


def _requests(request: Request) -> RequestLog:
    return services(request).requests


def _retention(request: Request) -> Retention:
    return services(request).retention


def _handlers(request: Request) -> HandlerRegistry:
    return services(request).handlers


def _certificates(request: Request) -> Certificates:
    return services(request).certificates


def _feed(request: Request) -> LiveFeed:
    return services(request).feed


Servers = Annotated[ServerService, Depends(_servers)]
Requests = Annotated[RequestLog, Depends(_requests)]
KeptLog = Annotated[Retention, Depends(_retention)]
Handlers = Annotated[HandlerRegistry, Depends(_handlers)]
StoredCertificates = Annotated[Certificates, Depends(_certificates)]
Feed = Annotated[LiveFeed, Depends(_feed)]
