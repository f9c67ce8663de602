"""`serve`: the panel, the API and every server, in this one process."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import ssl
from types import FrameType

import uvicorn

from app import failpoints, log_lines
from app.cli import configured, tls
from app.cli.exits import IN_USE, NO_DATA, OPEN_TO_ALL, PORT_IN_USE, USAGE, leave
from app.errors import AppError
from app.main import Sockpit, web_app
from app.panel_door import Door, PanelLimits, bound_unread
from app.panel_protocol import panel_protocol
from app.panel_tls import tls_protocol
from app.services.users import SET_UP_S
from app.settings import Settings

log = logging.getLogger("app")

#: Seconds that answers under way have once we are told to stop; streams end by themselves.
GRACE_S = 1


class Server(uvicorn.Server):
    """uvicorn, ended so that open pages, clients and the log each get their due.

    It exits 0 when told to stop: uvicorn's own would raise the signal again.
    """

    def __init__(
        self,
        sockpit: Sockpit,
        limits: PanelLimits | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """`context`: of TLS, without which it speaks plain HTTP."""
        self.door = Door(limits or PanelLimits())
        self._scheme = "http" if context is None else "https"
        panel = panel_protocol(self.door)
        proxies = sockpit.settings.trusted_proxies
        super().__init__(
            uvicorn.Config(
                web_app(sockpit),
                http=panel if context is None else tls_protocol(panel, context),
                # uvloop reads before TLS is there to have it: `TlsVisitor`.
                loop="auto" if context is None else "asyncio",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                proxy_headers=bool(proxies),
                forwarded_allow_ips=list(proxies),  # else uvicorn's own variable says whose
            )
        )
        self._sockpit = sockpit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.force_exit = self.should_exit  # told twice: no answer is waited for
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for panel in sockets or ():
            bound_unread(panel, self.door.limits)
        await super().startup(sockets)
        if self.started:
            for panel in sockets or ():
                url = _url(self._scheme, panel)
                print(f"Sockpit is at {url}  (Ctrl+C stops it)", flush=True)
                self._tell_how_to_set_up(url)

    def _tell_how_to_set_up(self, url: str) -> None:
        key = self._sockpit.access.users.set_up_key()
        if key is not None:
            print(f"Nobody can log in yet. Choose a password, within {SET_UP_S // 60} minutes:")
            print(f"  {url}/setup?key={key}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Streams first: uvicorn would wait for them for ever. And the servers' listeners close
        # now, not after the last answer of the panel.
        self._sockpit.feed.close()
        await asyncio.gather(
            asyncio.to_thread(self._sockpit.servers.close), super().shutdown(sockets)
        )
        # uvicorn leaves the application's own end out when forced; the log must not be lost.
        await asyncio.to_thread(self._sockpit.close)


def serve(limits: PanelLimits | None = None) -> None:
    """Run until SIGTERM or SIGINT. `limits`: other ones than follow from the settings."""
    log_lines.install()
    for chatty in ("alembic", "uvicorn.error"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    settings = configured.settings()
    configured.forget_secrets()
    _arm_failpoints()
    context = tls.context(settings)
    _raise_descriptor_limit()
    sockpit = _sockpit(settings)
    try:
        _check_guarded(sockpit)
        panel = _panel_socket(settings)
    except BaseException:
        sockpit.abandon()
        raise
    Server(sockpit, limits or _panel_limits(settings), context).run([panel])


def _panel_limits(settings: Settings) -> PanelLimits:
    """Of few descriptors most are for the servers."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = PanelLimits().connections
    if descriptors != resource.RLIM_INFINITY:
        connections = min(connections, descriptors // 4)
    return PanelLimits(connections=connections, per_address=settings.panel_connections_per_address)


def _raise_descriptor_limit() -> None:
    """As many descriptors as we may have: a connection takes one, and the customary soft limit
    of 1,024 is one server's default cap."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _arm_failpoints() -> None:
    try:
        armed = failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    except ValueError as error:
        leave(USAGE, f"{failpoints.VARIABLE}: {error}.")
    if armed:
        log.warning("made to fail on purpose: %s", os.environ[failpoints.VARIABLE])


def _sockpit(settings: Settings) -> Sockpit:
    try:
        return Sockpit(settings)
    except AppError as error:
        leave(IN_USE if error.code == "in_use" else NO_DATA, error.detail)
    except OSError as error:
        leave(NO_DATA, f"The data directory {settings.data_dir} cannot be used: {error}.")


def _check_guarded(sockpit: Sockpit) -> None:
    """Others may reach it only where there is somebody to log in as, or a token."""
    settings = sockpit.settings
    if settings.is_local or settings.token or sockpit.access.users.any():
        return
    leave(
        OPEN_TO_ALL,
        f"{settings.host} can be reached from other machines, and nobody can log in yet. Set "
        "SOCKPIT_ADMIN_PASSWORD_FILE or SOCKPIT_API_TOKEN_FILE, run `python -m app passwd NAME`, "
        "or start it once with SOCKPIT_HOST=127.0.0.1 and open the link that it prints.",
    )


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


def _url(scheme: str, panel: socket.socket) -> str:
    host, port = panel.getsockname()[:2]
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
