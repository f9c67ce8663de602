"""`serve`: the panel, the API and every server, in this one process."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from types import FrameType

import uvicorn
from pydantic import ValidationError

from app.cli.exits import IN_USE, NO_DATA, PORT_IN_USE, USAGE, leave
from app.errors import AppError
from app.main import Sockpit, web_app
from app.settings import Settings

#: Seconds that answers under way have once we are told to stop; streams end by themselves.
GRACE_S = 1

LOG_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class Server(uvicorn.Server):
    """uvicorn, ended so that open pages, clients and the log each get their due.

    It exits 0 when told to stop: uvicorn's own would raise the signal again.
    """

    def __init__(self, sockpit: Sockpit) -> None:
        super().__init__(
            uvicorn.Config(
                web_app(sockpit),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                proxy_headers=False,
            )
        )
        self._sockpit = sockpit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.force_exit = self.should_exit  # told twice: no answer is waited for
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            for panel in sockets or ():
                print(f"Sockpit is at {_url(panel)}  (Ctrl+C stops it)", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams first: uvicorn would wait for them for ever. And the servers' listeners close
        # now, not after the last answer of the panel.
        self._sockpit.feed.close()
        await asyncio.gather(
            asyncio.to_thread(self._sockpit.servers.close), super().shutdown(sockets)
        )
        # uvicorn leaves the application's own end out when forced; the log must not be lost.
        await asyncio.to_thread(self._sockpit.close)


def serve() -> None:
    """Run until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for chatty in ("alembic", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = _settings()
    _raise_descriptor_limit()
    sockpit = _sockpit(settings)
    try:
        panel = _panel_socket(settings)
    except BaseException:
        sockpit.abandon()
        raise
    Server(sockpit).run([panel])


def _raise_descriptor_limit() -> None:
    """As many descriptors as we may have: a connection takes one, and the customary soft limit
    of 1,024 is one server's default cap."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SOCKPIT_{first['loc'][0]}".upper()
        leave(USAGE, f"{name}: {first['msg'].removeprefix('Value error, ')}.")


def _sockpit(settings: Settings) -> Sockpit:
    try:
        return Sockpit(settings)
    except AppError as error:
        leave(IN_USE if error.code == "in_use" else NO_DATA, error.detail)
    except OSError as error:
        leave(NO_DATA, f"The data directory {settings.data_dir} cannot be used: {error}.")


def _panel_socket(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    panel = socket.socket(family, socket.SOCK_STREAM)
    panel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        panel.bind((settings.host, settings.port))
        panel.listen(512)
    except OSError as error:
        panel.close()
        leave(
            PORT_IN_USE,
            f"The panel cannot listen on {settings.host}:{settings.port}: {error.strerror}. Stop"
            " what does, or set SOCKPIT_PORT (and SOCKPIT_HOST) to another address.",
        )
    return panel


def _url(panel: socket.socket) -> str:
    host, port = panel.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
