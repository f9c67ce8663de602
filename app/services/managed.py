"""One server under management: its definition, and the background server that follows it.

Knows how a definition becomes a listening socket. Knows nothing of tables or of other servers.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from typing import Any

import sockcore
from app.domain import (
    DATAGRAMS,
    ClientConnection,
    InetAddress,
    ServerSpec,
    ServerStatus,
    State,
    Tls,
    UnixAddress,
)
from app.errors import AppError, Unavailable
from app.handlers.registry import HandlerRegistry
from app.services.addresses import AddressRules
from app.services.bind_errors import refusal
from app.services.capture import Keeper
from app.services.certificates import Certificates
from app.services.limits import enforced
from app.services.listening import Listener, TlsFiles, listen
from app.services.own_sockets import OwnSockets
from app.services.socket_files import SocketFiles
from app.settings import PortRange
from sockcore import EventSink
from sockcore.host import HostedServer

log = logging.getLogger("app.servers")

#: Seconds a stop may take in all: handlers finish within it or are cut.
STOP_S = 4.5

#: What the kernel picks port 0 from lies inside this; where only less is allowed we pick.
_ANY_PORT: PortRange = (1024, 65535)

#: What makes a server in a process of its own.
_HOSTED = "app.services.listening:listen_here"


#: A server in this process, or in one of its own.
Run = sockcore.BackgroundServer | HostedServer


@dataclass(frozen=True, slots=True)
class Means:
    """What servers listen with: rules, handlers, files; and who hears what happens."""

    handlers: HandlerRegistry
    rules: AddressRules
    sockets: SocketFiles
    certificates: Certificates
    sink: EventSink
    own: OwnSockets = field(default_factory=OwnSockets)


class ManagedServer:
    """A server as the panel knows it.

    Thread: any; `lock` is held by whoever changes its wanted or actual state.
    """

    def __init__(self, spec: ServerSpec, means: Means) -> None:
        self.lock = threading.Lock()
        self.spec = spec
        self.trouble: str | None = None  # what it suffers from while running
        self._keeper = Keeper(spec.name, spec.capture)
        self._means = means
        self._refused: AppError | None = None  # why the last start came to nothing
        self._run: Run | None = None  # the present one, or the last
        self._limiting = threading.Lock()  # held while the run is given its limits

    # -- shown ----------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        return self._state == "running"

    @property
    def is_stopped(self) -> bool:
        return self._state in ("stopped", "failed")

    @property
    def _state(self) -> State:
        if self._refused is not None:
            return "failed"
        return "stopped" if self._run is None else self._run.state.value

    def status(self) -> ServerStatus:
        run, state = self._run, self._state
        if run is None:
            return ServerStatus(spec=self.spec, state=state, error=self._error(state))
        totals = run.totals()
        return ServerStatus(
            spec=self.spec,
            state=state,
            error=self._error(state),
            pid=_pid(run),
            fileno=run.fileno,
            server_address=_shown(run.address),
            started_us=run.started_us,
            connections=totals.connections,
            connections_total=totals.connections_total,
            requests_total=totals.requests_total,
            errors_total=totals.errors_total,
            refused_total=totals.refused_total,
            dropped_total=totals.dropped_total,
            suppressed_total=totals.suppressed_total,
            overdue_total=totals.overdue_total,
            bytes_in=totals.bytes_in,
            bytes_out=totals.bytes_out,
        )

    def _error(self, state: State) -> str | None:
        if state != "failed":
            return self.trouble
        if self._refused is not None:
            return self._refused.detail
        return self._run.error if self._run is not None else None

    def connections(self) -> list[ClientConnection]:
        connections = [] if self._run is None else self._run.connections()
        return [self._keeper.shown(connection) for connection in connections]

    def disconnect(self, connection_id: int) -> bool:
        return self._run is not None and self._run.disconnect(connection_id)

    # -- changed --------------------------------------------------------------------------

    def amend(self, spec: ServerSpec) -> None:
        """Follow another definition: limits and what is kept at once, the rest from the next
        start."""
        if spec.capture != self.spec.capture:
            self._keeper = Keeper(spec.name, spec.capture)
        self.spec = spec
        self.follow()

    def follow(self) -> None:
        """Have its run keep to the limits as they are now, and know where the others listen."""
        with self._limiting:
            if self._run is not None:
                self._run.limits = self._limits()

    def settle(self) -> None:
        """Do not come back by yourself, where you may: what you were is about to change."""
        if self._run is not None and self._refused is None and self._state == "failed":
            self._run.stop(STOP_S)
            self._refused = Unavailable(
                "changed_since", "It had failed, and was changed since. Start it again."
            )

    def start(self) -> None:
        """Listen, unless it does already.

        Raises: AppError saying why it cannot; the state is `failed` then.
        """
        if self.is_running:
            return
        self.trouble = self._refused = None
        try:
            if self._run is not None:
                self._run.stop(STOP_S)  # one that died may be about to come back by itself
            self._run = self._prepared()
            self._run.start()
        except Exception as error:
            self._refused = refusal(self.spec, error)
            log.warning("%s could not start: %s", self.spec.name, self._refused.detail)
            raise self._refused from error
        log.info("%s listens on %s", self.spec.name, self._run.address)

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop listening, unless it has. Returns within `timeout_s`."""
        was_running = self.is_running
        if self._run is not None:
            self._run.stop(timeout_s)
        self.trouble = self._refused = None
        if isinstance(self.spec.address, UnixAddress):
            self._means.sockets.remove(self.spec.address.name)
        if was_running:
            log.info("%s stopped", self.spec.name)

    # -- listening ------------------------------------------------------------------------

    def _prepared(self) -> Run:
        """A run to be started: all is checked here that needs no socket.

        Raises: AppError.
        """
        spec, handlers = self.spec, self._means.handlers
        handler = handlers.handler_class(spec.handler, spec.transport, spec.handler_options)
        listener = self._listener()
        limits = self._limits()
        if spec.isolation == "process":
            return HostedServer(
                _HOSTED, (listener.values(),), name=spec.name, sink=self._hear, limits=limits
            )
        return sockcore.BackgroundServer(
            lambda: listen(listener, handler),
            name=spec.name,
            sink=self._hear,
            limits=limits,
        )

    def _hear(self, event: sockcore.Event) -> None:
        """The event sink of its runs: nobody else hears of bytes that are not to be kept."""
        if isinstance(event, sockcore.RequestProgressed | sockcore.RequestFinished):
            event = self._keeper.kept(event)
        elif self.spec.transport in DATAGRAMS:
            if isinstance(event, sockcore.ServerStarted):
                self._means.own.listens(self, event.address)
            elif isinstance(event, sockcore.ServerStopped):
                self._means.own.listens_no_more(self)
        self._means.sink(event)

    def _limits(self) -> sockcore.Limits:
        datagrams, from_port = self.spec.transport in DATAGRAMS, self.spec.limits.replies_from_port
        own = self._means.own.addresses if datagrams and from_port else frozenset()
        return enforced(self.spec.limits, self._keeper.tape_bytes, own)

    def _listener(self) -> Listener:
        spec = self.spec
        self._means.rules.check(spec.transport, spec.address)
        return Listener(
            transport=spec.transport,
            concurrency=spec.concurrency,
            handler=spec.handler,
            handler_options=dict(spec.handler_options),
            handlers_dir=str(self._means.handlers.folder),
            backlog=spec.limits.backlog,
            max_threads=spec.limits.max_threads,
            max_queue=spec.limits.max_queue,
            max_children=spec.limits.max_children,
            tls=self._tls_files(spec.tls),
            **self._place(spec.address),
        )

    def _place(self, address: InetAddress | UnixAddress) -> dict[str, Any]:
        if isinstance(address, InetAddress):
            host = str(self._means.rules.place(address.host))
            return {"host": host, "ports": self._ports(address.port)}
        sockets = self._means.sockets
        sockets.prepare()
        sockets.clear(address.name)
        return {"path": str(sockets.path(address.name).resolve())}

    def _ports(self, wanted: int) -> tuple[PortRange, ...]:
        """The ports to try. For 0 the kernel chooses where every port is allowed, else we do."""
        rules = self._means.rules
        if wanted or _ANY_PORT in rules.listen_ports:
            return ((wanted, wanted),)
        panel = rules.panel_port
        return tuple(
            part
            for low, high in rules.listen_ports
            for part in ((low, min(high, panel - 1)), (max(low, panel + 1), high))
            if part[0] <= part[1]
        )

    def _tls_files(self, tls: Tls | None) -> TlsFiles | None:
        if tls is None:
            return None
        certificates = self._means.certificates
        certificates.check(tls.certificate, True)
        if tls.client_ca is not None:
            certificates.check(tls.client_ca, False)
        return TlsFiles(
            certificate=str(certificates.path(tls.certificate)),
            client_ca=None if tls.client_ca is None else str(certificates.path(tls.client_ca)),
            client_certificates=tls.client_certificates,
        )


def _pid(run: Run) -> int | None:
    if run.fileno is None:
        return None
    return os.getpid() if isinstance(run, sockcore.BackgroundServer) else run.pid


def _shown(address: Any) -> tuple[str, int] | str | None:
    if isinstance(address, tuple):
        return address[0], address[1]
    return address if address is None or isinstance(address, str) else str(address)
