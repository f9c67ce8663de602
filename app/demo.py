"""The server that a new data directory begins with: a clock to talk to."""

from __future__ import annotations

import logging

from app.errors import AppError
from app.services.servers import ServerService
from app.settings import Settings
from app.who import SOCKPIT

log = logging.getLogger("app")

_HOST, _PORT = "127.0.0.1", 10001


def define_demo(servers: ServerService, settings: Settings) -> None:
    """Define `clock` where the settings allow it, and start it."""
    hosts, ports = settings.listen_hosts, settings.listen_ports
    body = {
        "name": "clock",
        "transport": "tcp",
        "concurrency": "pool",
        "handler": "clock",
        "address": {
            "host": _HOST if _HOST in hosts else hosts[0],
            "port": _PORT if any(low <= _PORT <= high for low, high in ports) else ports[0][0],
        },
    }
    try:
        servers.create(body, SOCKPIT)
        servers.start("clock", SOCKPIT)
    except AppError as error:
        log.warning("the demo server does not run: %s", error.detail)
