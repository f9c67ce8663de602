"""BaseServer: the serve loop and the hooks of one request. Source: stdlib socketserver.

Knows a thing with `fileno()` and `get_request()`; subclasses bring the sockets. Hooks, hook
order and defaults are the stdlib's; what differs on purpose is listed in docs/sockcore.md.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from sockcore.loop import ACCEPT_STARVED, AcceptTrouble, Loop, Ready
from sockcore.observer import Observer
from sockcore.telling import accept_paused, accept_resumed

__all__ = ["BaseServer"]

log = logging.getLogger("sockcore")

if hasattr(selectors, "PollSelector"):
    _ServerSelector: type[selectors.BaseSelector] = selectors.PollSelector
else:
    _ServerSelector = selectors.SelectSelector


class BaseServer:
    """Base class for server classes. Source: `socketserver.BaseServer`.

    May be overridden: `server_activate`, `get_request`, `handle_timeout`, `verify_request`,
    `server_close`, `process_request`, `shutdown_request`, `close_request`, `service_actions`,
    `handle_error`, `finish_request`.
    """

    timeout: float | None = None

    if TYPE_CHECKING:  # as in the stdlib, subclasses bring these

        def fileno(self) -> int: ...

        def get_request(self) -> tuple[Any, Any]: ...

        def _shaken(self, request: Any, client_address: Any) -> bool: ...

    ssl_context: Any = None  # the TLS to speak with clients; of stream servers
    _observer: Observer | None = None
    _forks = False  # to answer, so that its process must have no other threads
    #: False: the loop leaves the listener alone, clients wait in the backlog.
    _accepts = True
    _loop: Loop | None = None  # while serve_forever() runs
    _next_due: float | None = None  # monotonic seconds when service_actions() is wanted anyway
    __serving_thread: int | None = None
    _trouble: AcceptTrouble | None = None  # set while accept() fails

    def __init__(
        self, server_address: Any, RequestHandlerClass: Callable[[Any, Any, Any], Any]
    ) -> None:
        self.server_address = server_address
        self.RequestHandlerClass = RequestHandlerClass
        self.__is_shut_down = threading.Event()
        self.__shutdown_request = False

    def server_activate(self) -> None:
        """Called by the constructor, to listen."""

    # -- the loop -------------------------------------------------------------------------

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        """Handle one request at a time until shutdown().

        `service_actions()` runs every turn, at least each `poll_interval` seconds; None: only
        after a request. shutdown() does not wait for it.
        """
        # Known as the serving thread before the loop counts as running, and until after it does:
        # a signal handler that calls shutdown() here must not wait for itself.
        self.__serving_thread = threading.get_ident()
        self.__is_shut_down.clear()
        loop = None
        try:
            loop = self._loop = Loop(self, vars(self).setdefault("_others", {}))
            while not self.__shutdown_request:
                ready = self.__wait(loop, poll_interval)
                # bpo-35017: told to stop while waiting: leave before accepting.
                if self.__shutdown_request:
                    break
                if ready:
                    self._handle_ready()
                self.service_actions()
        finally:
            self._loop = None
            if loop is not None:
                loop.close()
            self.__shutdown_request = False
            self.__is_shut_down.set()
            self.__serving_thread = None

    def __wait(self, loop: Loop, poll_interval: float | None) -> bool:
        """Returns: whether there is a request to get."""
        if self._next_due is not None:
            left = max(0.0, self._next_due - time.monotonic())
            poll_interval = left if poll_interval is None else min(left, poll_interval)
        trouble = self._trouble
        if trouble is None:
            return loop.wait(poll_interval, self._accepts)
        if trouble.is_over:
            self.__accepting_again(trouble)
        pause_s = trouble.pause_s
        if not pause_s:
            return loop.wait(poll_interval, self._accepts)
        return loop.wait(pause_s if poll_interval is None else min(pause_s, poll_interval), False)

    def _also_wait_for(self, fd: int, ready: Ready) -> None:
        """Let the loop call `ready` whenever `fd` can be read or is hung up.

        Thread: the serving one, or any while no loop runs.
        """
        vars(self).setdefault("_others", {})[fd] = ready
        if self._loop is not None:
            self._loop.add(fd)

    def _wait_no_more_for(self, fd: int) -> None:
        """Thread: as _also_wait_for()."""
        del vars(self)["_others"][fd]
        if self._loop is not None:
            self._loop.discard(fd)

    def shutdown(self) -> None:
        """Stop the serve_forever() loop, at once, and wait until it is out.

        As in the stdlib it is kept where no loop runs: before the first serve_forever() this
        waits for it, and the next one returns at once.
        Thread: any; in the serving thread itself it only asks, and returns.
        """
        self._ask_to_stop()
        if self.__serving_thread != threading.get_ident():
            self.__is_shut_down.wait()

    def _ask_to_stop(self) -> None:
        """shutdown() without the wait."""
        self.__shutdown_request = True
        self._wake_loop()

    def _wake_loop(self) -> None:
        """Have the loop look around again, where one runs. Thread: any."""
        loop = self._loop
        if loop is not None:
            loop.wake()

    def service_actions(self) -> None:
        """Called by the loop each turn."""

    # -- one request ----------------------------------------------------------------------

    def handle_request(self) -> Any:
        """Handle one request, or wait out `timeout` and return what handle_timeout() does."""
        # The timeout of the socket came before the attribute; both are respected.
        timeout = self.socket.gettimeout()  # type: ignore[attr-defined]
        if timeout is None:
            timeout = self.timeout
        elif self.timeout is not None:
            timeout = min(timeout, self.timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        with _ServerSelector() as selector:
            selector.register(self, selectors.EVENT_READ)
            while True:
                if selector.select(timeout):
                    return self._handle_request_noblock()
                if deadline is not None:
                    timeout = deadline - time.monotonic()
                    if timeout < 0:
                        return self.handle_timeout()

    def _handle_ready(self) -> None:
        """Handle what made the listener ready."""
        self._handle_request_noblock()

    @property
    def _goes_on(self) -> bool:
        """Whether the loop was not asked to stop."""
        return not self.__shutdown_request

    def _handle_request_noblock(self) -> None:
        """Handle one request; the caller has seen that there is one."""
        try:
            request, client_address = self.get_request()
        except OSError as error:
            self.__not_accepted(error)
            return
        if self._trouble is not None:
            self._trouble.worked()
        if not self.verify_request(request, client_address):
            self.shutdown_request(request)
            return
        try:
            self.process_request(request, client_address)
        except Exception:
            self._fail(request, client_address)
            self.shutdown_request(request)
        except BaseException:
            self.shutdown_request(request)
            raise

    def _fail(self, request: Any, client_address: Any) -> None:
        """The exception being handled ended `request`: note it, then the hook."""
        if self._observer is not None:
            self._observer.failed(request)
        self.handle_error(request, client_address)

    def __not_accepted(self, error: OSError) -> None:
        if error.errno not in ACCEPT_STARVED:
            return  # as in the stdlib: the client is gone already
        if self._trouble is None:
            self._trouble = AcceptTrouble()
        if self._trouble.failed(error):
            told = f"{self._trouble.error}; trying again until it works"
            log.error("%s: %s", self.server_address, told)
            if self._observer is not None:
                self._observer.emit(accept_paused(self._observer.server, told))

    def __accepting_again(self, trouble: AcceptTrouble) -> None:
        self._trouble = None
        log.warning("%s: accepting again after %d failures", self.server_address, trouble.failures)
        if self._observer is not None:
            self._observer.emit(accept_resumed(self._observer.server, trouble.failures))

    def _never_blocking(self) -> contextlib.AbstractContextManager[object]:
        """While several threads may get_request() at once: the one that finds nothing left must
        not wait for more."""
        return contextlib.nullcontext()

    def _refuse(self, request: Any, reason: str) -> None:
        """There is no room for `request`: count it as refused and close it."""
        log.debug("%s: refused: %s", self.server_address, reason)
        if self._observer is not None:
            self._observer.refused(request, reason)
        self.shutdown_request(request)

    def _drop(self, request: Any) -> None:
        """The server stops before `request` was answered."""
        if self._observer is not None:
            self._observer.stopping(request)
        self.shutdown_request(request)

    # -- hooks ----------------------------------------------------------------------------

    def handle_timeout(self) -> None:
        """Called when handle_request() got none within `timeout`."""

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Returns: whether to process this request."""
        return True

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer here and now; the mix-ins do it elsewhere."""
        self.finish_request(request, client_address)
        self.shutdown_request(request)

    def server_close(self) -> None:
        """Clean up the server."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands where there is TLS, and answer by making a handler."""
        if self.ssl_context is not None and not self._shaken(request, client_address):
            return
        observer = self._observer
        if observer is None:
            self.RequestHandlerClass(request, client_address, self)
            return
        observer.answering(request)
        try:
            self.RequestHandlerClass(request, client_address, self)
        finally:
            observer.no_longer_answering(request)

    def shutdown_request(self, request: Any) -> None:
        """Shut down and close one request."""
        self.close_request(request)

    def close_request(self, request: Any) -> None:
        """Clean up one request."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of the exception being handled; serving goes on."""
        told = "Exception occurred during processing of request from"  # as the stdlib's
        print("-" * 40, f"{told} {client_address}", sep="\n", file=sys.stderr)  # noqa: T201
        traceback.print_exc()
        print("-" * 40, file=sys.stderr)  # noqa: T201

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self.server_close()
