"""The threads of a pool: what they wait for, what is queued for them, who is parked.

Knows a server by its hooks. Knows nothing of how one is stopped or subclassed.
"""

from __future__ import annotations

import itertools
import logging
import select
import threading
from collections import deque
from typing import Any

from sockcore.loop import SharedWait, SharedWaitByPoll, Waker
from sockcore.parking import ParkingLot, is_silent
from sockcore.threads import _RequestThread, _Threads

__all__ = ["Workers"]

log = logging.getLogger("sockcore")

#: Threads kept when there is nothing to do; the others end when one wait was in vain.
_KEPT_THREADS = 2

#: Seconds that they are waited for at the end; idle ones need next to none.
_LEAVE_S = 0.5


class Workers:
    """The threads of one serve_forever(), what waits for them, and what is parked."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._lock = threading.Lock()  # guards the counts, `_closed` and `_left`
        self._changed = threading.Condition(self._lock)
        self._left: list[threading.Thread] = []
        self._threads = 0
        self._busy = 0  # of them
        self._going: set[int] = set()  # those about to end as there is nothing to do, by ident
        self._closed = False
        self._told = False  # that there can be no more threads
        self._leave = threading.Event()
        self.idents: set[int] = set()  # of the threads, by threading.get_ident()
        self._numbers = itertools.count(1)
        self._queue: deque[tuple[Any, Any]] = deque()
        self._tickets = Waker()  # wakes one thread for each that is queued
        self._stop = Waker()  # wakes them all
        self._listener: int | None = None
        self.lot = ParkingLot(self.put) if hasattr(select, "epoll") else None

    # -- life, by the serving thread ------------------------------------------------------

    def open(self) -> None:
        """Begin. Raises: RuntimeError, OSError when there can be no thread at all."""
        if self._server._takes_listener:
            self._listener = self._server.fileno()
            self._server._accepts = False
        if self.lot is not None:
            self._server._also_wait_for(self.lot.fileno(), self.lot.ready)
        for _ in range(min(_KEPT_THREADS, self._server.max_threads)):
            self._add_thread()

    def leave(self) -> None:
        """Let the threads end as soon as nothing waits for them. Thread: any."""
        self._leave.set()
        self._stop.wake()

    def close(self) -> None:
        """The loop is out: what is queued is still answered, what is parked is closed."""
        self.leave()
        self._server._accepts = True
        if self.lot is not None:
            self._server._wait_no_more_for(self.lot.fileno())
            for request in self.lot.close():
                self._server._drop(request)
        with self._changed:
            self._changed.wait_for(lambda: not self._threads, _LEAVE_S)
            self._closed = True
            nobody_left = not self._threads
        for thread in self._left:  # which have nothing more to do
            thread.join()
        if nobody_left:
            self._clear()

    def _clear(self) -> None:
        while self._queue:
            self._server._drop(self._queue.popleft()[0])
        self._tickets.close()
        self._stop.close()

    def look_after(self) -> None:
        """Called each turn of the loop."""
        lot, server = self.lot, self._server
        if lot and server._parked_for_s is not None:
            self._indulge(lot)
        if lot and server.ssl_context is not None and server.handshake_timeout is not None:
            for request, client_address in lot.take_patient(server.handshake_timeout):
                server._handshake_failed(request, client_address, TimeoutError())
                server.shutdown_request(request)

    def _indulge(self, lot: ParkingLot) -> None:
        """Threads for those that are silent for long, as far as half of them reaches."""
        with self._lock:  # so that none becomes busy in between
            free = self._server.max_threads // 2 - self._busy - len(self._queue)
            patient = lot.take_patient(self._server._parked_for_s, free)
            self._queue += patient
        for _ in patient:
            self._tickets.wake()
        if patient and not self._idle:
            self._grow()

    def put(self, request: Any, client_address: Any) -> None:
        """Queue a request for the next free thread, or refuse it when the queue is full.

        What is there for threads that are free, and only not awake yet, fills no place of it.
        Thread: the serving one.
        """
        if len(self._queue) >= self._server.max_queue + self._idle:
            told = f"all {self._threads} threads are busy and {len(self._queue)} requests wait"
            self._server._refuse(request, told)
            return
        self._queue.append((request, client_address))
        self._tickets.wake()
        if not self._idle:
            self._grow()

    # -- threads --------------------------------------------------------------------------

    @property
    def _idle(self) -> int:
        with self._lock:
            return self._threads - self._busy

    @property
    def is_tight(self) -> bool:
        """Whether more than half of the threads are taken, the caller's included; about."""
        return bool(self._busy + len(self._queue) > self._server.max_threads // 2)

    def park(self, request: Any, client_address: Any) -> bool:
        """Returns: whether the connection is silent, and parked."""
        if self.lot is None or not is_silent(request):
            return False
        self.lot.park(request, client_address)
        return True

    def _grow(self) -> None:
        """One thread more; where there can be none, the serving thread accepts instead."""
        if self._leave.is_set():
            return
        if self._threads < self._server.max_threads:
            try:
                self._add_thread()
                return
            except (OSError, RuntimeError) as error:
                if not self._told:
                    self._told = True
                    log.error("no thread beside %d: %s; told once", self._threads, error)
        if self._server._takes_listener and not self._server._accepts:
            self._server._accepts = True
            self._server._wake_loop()

    def _add_thread(self) -> None:
        server = self._server
        kind = SharedWait if hasattr(select, "epoll") else SharedWaitByPoll
        wait = kind(self._tickets.fileno(), self._stop.fileno(), self._listener)
        thread = _RequestThread(self._work, (wait,), daemon=True)
        thread.name = f"pool-{next(self._numbers)}"
        with self._lock:
            self._threads += 1
        try:
            if server.block_on_close and not server.daemon_threads:
                vars(server).setdefault("_threads", _Threads()).keep(thread)
            thread.start()
        except BaseException:
            server._threads.discard(thread)
            self._ended(wait, ran=False)
            raise

    def _work(self, wait: SharedWait) -> None:
        self.idents.add(threading.get_ident())
        try:
            while self._turn(wait):
                pass
        finally:
            self.idents.discard(threading.get_ident())
            self._ended(wait, ran=True)
            if not self._idle:  # this one may have been ended by its handler
                self._grow()

    def _turn(self, wait: SharedWait) -> bool:
        """Wait, and answer what came. Returns: False to end the thread."""
        server = self._server
        trouble = server._trouble
        if trouble is not None:
            self._leave.wait(trouble.pause_s)
        events = wait.poll()
        for fd, _ in events:
            if fd != self._listener:  # first: what is queued from here on wakes us anew
                self._tickets.hear_one()
        if self._queue:
            self._answer_queued()
        if self._leave.is_set() or (not events and self._is_spare()):
            return False
        for fd, _ in events:
            if fd == self._listener:
                self._begin()
                try:
                    server._handle_ready()
                finally:
                    self._end()
        return True

    def _is_spare(self) -> bool:
        """Whether the calling thread may end: two of them that ask at once leave enough."""
        with self._lock:
            spare = self._threads - len(self._going) > _KEPT_THREADS
            if spare:
                self._going.add(threading.get_ident())
            return spare

    def _answer_queued(self) -> None:
        self._begin()
        try:
            while True:
                try:
                    request, client_address = self._queue.popleft()
                except IndexError:
                    return
                self._server.process_request_thread(request, client_address)
        finally:
            self._end()

    def _begin(self) -> None:
        with self._lock:
            self._busy += 1
            none_idle = self._busy == self._threads
        if none_idle:
            self._grow()

    def _end(self) -> None:
        with self._lock:
            self._busy -= 1
        if self._server._accepts and self._server._takes_listener:
            self._server._accepts = False

    def _ended(self, wait: SharedWait, *, ran: bool) -> None:
        wait.close()
        with self._changed:
            self._threads -= 1
            self._going.discard(threading.get_ident())
            last = self._closed and not self._threads
            if ran and self._leave.is_set() and not self._closed:
                self._left.append(threading.current_thread())
            self._changed.notify_all()
        if last:
            self._clear()
