"""The servers: what is wanted of each, kept in the control database, and made so.

Wanted and actual state are two things; a command writes the first and then acts, and the start
of the application brings every server to what is wanted of it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import sockcore
from app.domain import ClientConnection, ServerStatus, Wanted
from app.errors import AppError, Conflict, NotFound, Unavailable
from app.handlers.registry import HandlerRegistry
from app.services.addresses import AddressRules
from app.services.certificates import Certificates
from app.services.changes import changed, facts
from app.services.definitions import Surroundings, amend, define, fixed_change
from app.services.live import LiveFeed, Notice
from app.services.managed import ManagedServer, Means
from app.services.socket_files import SocketFiles
from app.store.servers import ServerTable
from app.who import Act, Who

log = logging.getLogger("app.servers")

#: Servers started or stopped at the same time.
_AT_ONCE = 16

#: Seconds a server has to stop when the process ends: less than when asked to by itself, since
#: the log is still to be written before a supervisor loses its patience.
CLOSE_S = 3.0


class ServerService:
    """Every server of this process. Thread: any."""

    def __init__(
        self,
        table: ServerTable,
        handlers: HandlerRegistry,
        rules: AddressRules,
        certificates: Certificates,
        feed: LiveFeed,
        record: Callable[[sockcore.RequestProgressed | sockcore.RequestFinished], None],
        note: Callable[[Act], None],
    ) -> None:
        """`note` keeps an act of which nothing is written otherwise."""
        self._table = table
        self._note = note
        self._around = Surroundings(handlers, rules, certificates.check)
        self._feed = feed
        self._record = record
        self._means = Means(
            handlers, rules, SocketFiles(rules.socket_dir), certificates, self._hear
        )
        self._closed = False
        self._lock = threading.Lock()  # guards _servers and the order of its changes
        self._servers: dict[str, ManagedServer] = {
            spec.name: ManagedServer(spec, self._means) for spec in table.all()
        }

    # -- shown ----------------------------------------------------------------------------

    def all(self) -> list[ServerStatus]:
        """Every server, by name."""
        with self._lock:
            servers = sorted(self._servers.values(), key=lambda server: server.spec.name)
        return [server.status() for server in servers]

    def get(self, name: str) -> ServerStatus:
        """Raises: NotFound."""
        return self._find(name).status()

    def connections(self, name: str) -> list[ClientConnection]:
        """Who is connected to `name` now, oldest first. Raises: NotFound."""
        return self._find(name).connections()

    # -- changed --------------------------------------------------------------------------

    def create(self, body: Mapping[str, object], by: Who) -> ServerStatus:
        """Define a server, and start it when it is wanted running.

        One that cannot start then is not created at all.
        Raises: AppError saying what is wrong with `body`, or why it cannot listen.
        """
        spec = replace(define(body, self._around), created_us=time.time_ns() // 1000)
        server = ManagedServer(spec, self._means)
        act = Act(by=by, what="server.create", target=spec.name, after=facts(spec))
        with server.lock:
            with self._lock:
                self._table.add(spec, act)
                self._servers[spec.name] = server
            if spec.wanted == "running":
                try:
                    self._start(server)
                except AppError:
                    self._drop(spec.name, replace(act, what="server.take_back", after=None))
                    raise
        self._changed(spec.name)
        return server.status()

    def update(self, name: str, body: Mapping[str, object], by: Who) -> ServerStatus:
        """Change a definition. `wanted` starts or stops the server besides.

        Raises: NotFound; Invalid; Conflict (server_running) for what a running server cannot
        change under its clients.
        """
        with self._held(name) as server:
            before = server.spec
            after = amend(before, body, self._around)
            fixed = fixed_change(before, after)
            if fixed is not None and not server.is_stopped:
                raise _server_running(name, fixed)
            if fixed is not None:
                server.settle()
            self._table.replace(after, changed(before, after, by))
            server.amend(after)
            if after.wanted != before.wanted or "wanted" in body:
                self._act(server)
        self._changed(name)
        return server.status()

    def delete(self, name: str, by: Who) -> None:
        """Stop a server and forget its definition; its requests stay in the log."""
        with self._held(name) as server:
            server.stop()
            before = facts(server.spec)
            self._drop(name, Act(by=by, what="server.delete", target=name, before=before))
        self._feed.publish(Notice("server.deleted", name))

    def start(self, name: str, by: Who) -> ServerStatus:
        """Raises: NotFound; AppError saying why it cannot listen, state `failed` then."""
        return self._want("running", Act(by=by, what="server.start", target=name))

    def stop(self, name: str, by: Who) -> ServerStatus:
        """Raises: NotFound."""
        return self._want("stopped", Act(by=by, what="server.stop", target=name))

    def restart(self, name: str, by: Who) -> ServerStatus:
        """Stop, where it runs, and start. Raises: as `start`."""
        with self._held(name) as server:
            server.stop()
        return self._want("running", Act(by=by, what="server.restart", target=name))

    def disconnect(self, name: str, connection_id: int, by: Who) -> None:
        """Raises: NotFound, also when the connection has just ended by itself."""
        server = self._find(name)
        found = [c for c in server.connections() if c.id == connection_id]
        if found:
            after = {"connection": connection_id, "peer": found[0].peer}
            self._note(Act(by=by, what="server.disconnect", target=name, after=after))
        if not found or not server.disconnect(connection_id):
            raise NotFound(
                "connection_not_found",
                f"{name} has no connection {connection_id}: it may have ended by itself.",
            )

    # -- from start to end of the process -------------------------------------------------

    def reconcile(self) -> None:
        """Start every server that is wanted running; one that fails holds up none."""
        with self._lock:
            wanted = [s for s in self._servers.values() if s.spec.wanted == "running"]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reconcile") as pool:
            for server in wanted:
                pool.submit(self._bring_back, server)

    def _bring_back(self, server: ManagedServer) -> None:
        with server.lock:
            try:
                self._start(server)
            except AppError:
                return  # it says so itself: state `failed`, with the cause
            except Exception:
                log.exception("%s: could not be brought back", server.spec.name)

    def close(self) -> None:
        """Stop every server, all at once, for good; what is wanted of them stays."""
        with self._lock:
            self._closed = True
            servers = list(self._servers.values())
        with ThreadPoolExecutor(max(1, len(servers)), thread_name_prefix="stop") as pool:
            for server in servers:
                pool.submit(server.stop, CLOSE_S)

    # -- inside ---------------------------------------------------------------------------

    def _find(self, name: str) -> ManagedServer:
        with self._lock:
            server = self._servers.get(name)
        if server is None:
            raise NotFound("server_not_found", f"There is no server called {name!r}.")
        return server

    @contextmanager
    def _held(self, name: str) -> Iterator[ManagedServer]:
        """The server, locked against every other change. Raises: NotFound."""
        server = self._find(name)
        with server.lock:
            if self._find(name) is not server:  # deleted, and made anew, while we waited
                raise NotFound("server_not_found", f"{name} was deleted just now.")
            yield server

    def _drop(self, name: str, act: Act) -> None:
        with self._lock:
            self._table.remove(name, act)
            del self._servers[name]

    def _want(self, wanted: Wanted, act: Act) -> ServerStatus:
        """Write what is wanted, then act on it."""
        with self._held(act.target) as server:
            self._table.set_wanted(act.target, wanted, act)
            server.amend(replace(server.spec, wanted=wanted))
            self._act(server)
        return server.status()

    def _act(self, server: ManagedServer) -> None:
        """Bring it to what is wanted of it."""
        try:
            if server.spec.wanted == "running":
                self._start(server)
            else:
                server.stop()
        finally:
            self._changed(server.spec.name)

    def _changed(self, name: str) -> None:
        self._feed.publish(Notice("server", name))

    def _hear(self, event: sockcore.Event) -> None:
        """The event sink of every server. Thread: wherever it happened."""
        match event:
            case sockcore.RequestProgressed() | sockcore.RequestFinished():
                self._record(event)
            case sockcore.ConnectionOpened():
                self._tell("connection.opened", event)
            case sockcore.ConnectionClosed():
                self._tell("connection.closed", event)
            case sockcore.AcceptPaused():
                self._suffer(event.server, event.error)
            case sockcore.AcceptResumed():
                self._suffer(event.server, None)
            case _:
                self._changed(event.server)

    def _tell(
        self,
        topic: Literal["connection.opened", "connection.closed"],
        event: sockcore.ConnectionOpened | sockcore.ConnectionClosed,
    ) -> None:
        self._feed.publish(
            Notice(topic, event.server, connection_id=event.connection_id, peer=event.peer)
        )

    def _suffer(self, name: str, trouble: str | None) -> None:
        with self._lock:
            server = self._servers.get(name)
        if server is not None:
            server.trouble = trouble
        self._changed(name)

    def _start(self, server: ManagedServer) -> None:
        if self._closed:
            raise Unavailable("closing", "Sockpit is shutting down, so nothing is started.")
        server.start()


def _server_running(name: str, field: str) -> Conflict:
    return Conflict(
        "server_running",
        f"{name} is running, and its {field.replace('_', ' ')} cannot change under its clients."
        " Stop it, change it, then start it again.",
        field,
    )
