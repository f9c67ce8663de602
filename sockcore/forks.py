"""ForkingMixIn: a process a request. Source: stdlib socketserver.

    parent   fork -> close its copy of the connection -> accept on; reap the child once it ends
             watched, it keeps the copy until the child is done: for disconnect and the limits
    child    close what is the parent's -> finish_request .. shutdown_request -> os._exit()

Knows processes. Knows nothing of how a server accepts.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any, NoReturn

from sockcore.children import Children
from sockcore.relay import Relay, relay_of

if TYPE_CHECKING:
    from sockcore.base import BaseServer as _Server
else:
    _Server = object

__all__ = ["ForkingMixIn"]

_close = socket.SocketType.close
_SOL_SOCKET, _SO_ACCEPTCONN = int(socket.SOL_SOCKET), int(socket.SO_ACCEPTCONN)


class ForkingMixIn(_Server):
    """Mix-in to answer each request in a process of its own.

    At `max_children` the next clients wait in the listener's backlog; the loop goes on.
    """

    timeout = 300
    active_children: set[int] | None = None  # process ids
    max_children = 40
    block_on_close = True  # server_close() waits for the children

    _forks = True
    _children: Children | None = None
    _relays: dict[int, tuple[Relay, Any]]  # by process id; and the client's address

    def collect_children(self, *, blocking: bool = False) -> None:
        """Reap the children that have ended; with `blocking`, wait for all of them.

        Never one that is not ours, nor one that the program took out of `active_children`.
        """
        if self.active_children is None:
            return
        self._reap(0)
        while blocking and self.active_children:
            self._reap(None)
        self._accepts = len(self.active_children) < self.max_children

    def handle_timeout(self) -> None:
        self.collect_children()
        self._wait_for_room()

    def service_actions(self) -> None:
        self.collect_children()
        self._wait_for_room()

    def _wait_for_room(self) -> None:
        """Where no loop of ours leaves the listener alone, this is what holds it, as in the
        stdlib."""
        if getattr(self, "_loop", None) is None:
            while self.active_children and len(self.active_children) >= self.max_children:
                self._reap(None)

    def _reap(self, timeout_s: float | None) -> None:
        """Wait at most so many seconds for a child to end, and reap all that have."""
        children, active = self._hearing(), self.active_children
        assert active is not None
        for pid in children.hear(active, timeout_s):
            if pid not in active:
                self._forget(pid)
                continue
            status = None
            try:
                reaped, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                reaped = pid  # somebody else did
            if reaped:
                active.discard(pid)
                self._forget(pid, status)

    def _forget(self, pid: int, status: int | None = None) -> None:
        """Its end is known, and perhaps its wait status."""
        self._hearing().forget(pid)
        if pid in vars(self).get("_relays", ()):
            self._relays[pid][0].died(status)
            self._done(pid)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Fork. Raises: OSError when there can be no more processes."""
        parent = os.getpid()
        children = self._hearing()  # wants a descriptor: too late once there is a child
        relay = relay_of(getattr(self, "_observer", None), request)
        try:
            pid = os.fork()
            if not pid:
                self._answer_in_child(request, client_address, relay)
        except BaseException:
            if os.getpid() != parent:
                os._exit(1)  # a signal came before it could begin: it must not go on as a parent
            if relay is not None:
                relay.close()
            raise
        if self.active_children is None:
            self.active_children = set()
        self.active_children.add(pid)
        children.add(pid)
        if relay is None:
            self.close_request(request)
        else:
            self._follow(pid, relay, client_address)

    def _follow(self, pid: int, relay: Relay, client_address: Any) -> None:
        """Hear what the child tells, until it is done with the request."""
        relay.follow(pid)
        vars(self).setdefault("_relays", {})[pid] = relay, client_address
        self._hearing().listen(relay.fileno(), lambda: self._hear(pid))

    def _hear(self, pid: int) -> None:
        relay, _ = self._relays[pid]
        if relay.hear():
            return
        if relay.has_ended:
            self._done(pid)
        else:  # how, is known when it is reaped
            self._hearing().listen_no_more(relay.fileno())

    def _done(self, pid: int) -> None:
        """The child is: so are we."""
        relay, client_address = self._relays.pop(pid)
        self._hearing().listen_no_more(relay.fileno())
        relay.close()
        try:
            self.close_request(relay.request)
        except Exception:
            self.handle_error(relay.request, client_address)

    def _hearing(self) -> Children:
        if self._children is None:
            self._children = Children()
            fd = self._children.fileno()
            # Asked for, since the mix-in may stand before a server that is not ours.
            if fd is not None and hasattr(self, "_also_wait_for"):
                self._also_wait_for(fd, self.collect_children)
        return self._children

    def _hear_no_more(self) -> None:
        for pid in list(vars(self).get("_relays", ())):
            self._done(pid)
        children, self._children = self._children, None
        if children is not None:
            fd = children.fileno()
            if fd is not None and hasattr(self, "_wait_no_more_for"):
                self._wait_no_more_for(fd)
            children.close()

    def _answer_in_child(self, request: Any, client_address: Any, relay: Relay | None) -> NoReturn:
        status, observer = 1, None
        try:
            self._leave_to_parent(request)
            if relay is not None:
                self._observer = observer = relay.enter_child()  # type: ignore[assignment]
            self.finish_request(request, client_address)
            status = 0
        except Exception:
            if observer is not None:
                observer.failed(request)
            self.handle_error(request, client_address)
        finally:
            try:
                self.shutdown_request(request)
            finally:
                if observer is not None:
                    observer.ended()
                os._exit(status)

    def _leave_to_parent(self, request: Any) -> None:
        """Close, in the child, what only its parent has business with, so that stopping the
        server frees its address while children live."""
        for other, _ in vars(self).get("_relays", {}).values():
            other.leave()
        if self._children is not None:
            self._children.close()
        self._children = self.active_children = None
        loop = getattr(self, "_loop", None)
        if loop is not None:
            loop.close_copy()
            self._loop = None
        listener = getattr(self, "socket", None)
        if isinstance(listener, socket.socket) and listener is not request:
            try:
                # Not that of datagrams, by which answers leave.
                if listener.getsockopt(_SOL_SOCKET, _SO_ACCEPTCONN):
                    _close(listener)
            except OSError:
                pass  # closed already

    def server_close(self) -> None:
        super().server_close()
        self.collect_children(blocking=self.block_on_close)
        self._hear_no_more()
