"""One server under management: its definition, and the background server that follows it.

Knows how a definition becomes a listening socket. Knows nothing of tables or of other servers.
"""

from __future__ import annotations

import errno
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import sockcore
from app.domain import ClientConnection, InetAddress, Limits, ServerSpec, ServerStatus, UnixAddress
from app.errors import AppError
from app.handlers.registry import HandlerRegistry
from app.services.addresses import AddressRules
from app.services.bind_errors import refusal
from app.services.kinds import KIND_CLASSES
from app.services.socket_files import SocketFiles
from app.settings import PortRange
from sockcore import EventSink, ServerState

log = logging.getLogger("app.servers")

#: Seconds a stop may take in all: handlers finish within it or are cut.
STOP_S = 4.5

#: Bytes of the longest datagram taken; UDP carries at most 65,507, a local one up to the
#: kernel's buffer, 208 KiB unless tuned.
_MAX_PACKET = {"udp": 65_535, "unix-datagram": 256 * 1024}

#: What the kernel picks port 0 from lies inside this; where only less is allowed we pick.
_ANY_PORT: PortRange = (1024, 65535)


class ManagedServer:
    """A server as the panel knows it.

    Thread: any; `lock` is held by whoever changes its wanted or actual state.
    """

    def __init__(
        self,
        spec: ServerSpec,
        *,
        handlers: HandlerRegistry,
        rules: AddressRules,
        sockets: SocketFiles,
        sink: EventSink,
    ) -> None:
        self.lock = threading.Lock()
        self.spec = spec
        self.trouble: str | None = None  # what it suffers from while running
        self._handlers = handlers
        self._rules = rules
        self._sockets = sockets
        self._refused: AppError | None = None
        self._background = sockcore.BackgroundServer(
            self._listen, name=spec.name, sink=sink, limits=_sockcore_limits(spec.limits)
        )

    # -- shown ----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._background.state is ServerState.RUNNING

    @property
    def is_stopped(self) -> bool:
        return self._background.state in (ServerState.STOPPED, ServerState.FAILED)

    def status(self) -> ServerStatus:
        background = self._background
        totals = background.totals()
        state = background.state
        return ServerStatus(
            spec=self.spec,
            state=state.value,
            error=self._error() if state is ServerState.FAILED else self.trouble,
            fileno=background.fileno,
            server_address=_shown(background.address),
            started_us=background.started_us,
            connections=totals.connections,
            connections_total=totals.connections_total,
            requests_total=totals.requests_total,
            errors_total=totals.errors_total,
            refused_total=totals.refused_total,
            bytes_in=totals.bytes_in,
            bytes_out=totals.bytes_out,
        )

    def _error(self) -> str | None:
        return self._refused.detail if self._refused else self._background.error

    def connections(self) -> list[ClientConnection]:
        return self._background.connections()

    def disconnect(self, connection_id: int) -> bool:
        return self._background.disconnect(connection_id)

    # -- changed --------------------------------------------------------------------------

    def amend(self, spec: ServerSpec) -> None:
        """Follow another definition: limits at once, the rest from the next start."""
        self.spec = spec
        self._background.limits = _sockcore_limits(spec.limits)

    def start(self) -> None:
        """Listen, unless it does already.

        Raises: AppError saying why it cannot; the state is `failed` then.
        """
        if self.is_running:
            return
        self.trouble = self._refused = None
        try:
            self._background.start()
        except Exception as error:
            self._refused = refusal(self.spec, error)
            log.warning("%s could not start: %s", self.spec.name, self._refused.detail)
            raise self._refused from error
        log.info("%s listens on %s", self.spec.name, self._background.address)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop listening, unless it has. Returns within `timeout_s`."""
        was_running = self.is_running
        self._background.stop(timeout_s)
        self.trouble = self._refused = None
        if isinstance(self.spec.address, UnixAddress):
            self._sockets.remove(self.spec.address.name)
        if was_running:
            log.info("%s stopped", self.spec.name)

    # -- listening ------------------------------------------------------------------------

    def _listen(self) -> sockcore.TCPServer:
        spec = self.spec
        handler = self._handlers.handler_class(spec.handler, spec.transport, spec.handler_options)
        if isinstance(spec.address, UnixAddress):
            self._rules.check(spec.transport, spec.address)
            self._sockets.prepare()
            self._sockets.clear(spec.address.name)
            path = self._sockets.path(spec.address.name).resolve()
            return self._server_class(socket.AF_UNIX)(str(path), handler)
        return self._listen_inet(spec.address, handler)

    def _listen_inet(self, address: InetAddress, handler: type) -> sockcore.TCPServer:
        self._rules.check(self.spec.transport, address)
        place = self._rules.place(address.host)
        server_class = self._server_class(
            socket.AF_INET6 if place.version == 6 else socket.AF_INET
        )
        for port in self._ports(address.port):
            try:
                return server_class((str(place), port), handler)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or address.port:
                    raise
        raise OSError(errno.EADDRINUSE, "no allowed port is free")

    def _ports(self, wanted: int) -> Iterator[int]:
        """The ports to try. For 0 the kernel chooses where every port is allowed, else we do."""
        allowed = self._rules.listen_ports
        if wanted or _ANY_PORT in allowed:
            return iter((wanted,))
        panel = self._rules.panel_port
        every = itertools.chain.from_iterable(range(low, high + 1) for low, high in allowed)
        return (port for port in every if port != panel)

    def _server_class(self, family: int) -> Callable[..., sockcore.TCPServer]:
        base = KIND_CLASSES[self.spec.transport, self.spec.concurrency]
        attributes = {
            "address_family": family,
            # A port whose last connections still wait out their end can be listened on at once.
            # Not for datagrams: there it would let two servers share a port.
            "allow_reuse_address": self.spec.transport == "tcp",
            "request_queue_size": self.spec.limits.backlog,
            "max_packet_size": _MAX_PACKET.get(self.spec.transport, 0),
        }
        return type(base.__name__, (_Quiet, base), attributes)


class _Quiet:
    """A handler's traceback is kept with its request, not printed."""

    def handle_error(self, _request: object, client_address: object) -> None:
        log.debug("a handler raised for %s", client_address, exc_info=True)


def _shown(address: Any) -> tuple[str, int] | str | None:
    if isinstance(address, tuple):
        return address[0], address[1]
    return address if address is None or isinstance(address, str) else str(address)


def _sockcore_limits(limits: Limits) -> sockcore.Limits:
    return sockcore.Limits(
        max_connections=limits.max_connections,
        idle_timeout_s=limits.idle_timeout_s or None,
    )
