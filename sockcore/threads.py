"""ThreadingMixIn: a fresh thread a request. Source: stdlib socketserver."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sockcore.base import BaseServer as _Server
else:
    _Server = object

__all__ = ["ThreadingMixIn"]


class _Threads(list[threading.Thread]):
    """The non-daemon threads that may still run; finished ones are dropped in passing."""

    _reap_at = 1

    def append(self, thread: threading.Thread) -> None:
        if not thread.daemon:
            self.keep(thread)

    def keep(self, thread: threading.Thread) -> None:
        # Looked through only when it has doubled: O(1) a thread, however many live.
        if len(self) >= self._reap_at:
            self.reap()
            self._reap_at = 2 * len(self) + 1
        super().append(thread)

    def reap(self) -> None:
        self[:] = [thread for thread in self if thread.is_alive()]

    def discard(self, thread: threading.Thread) -> None:
        """Take back one that could not be started."""
        self[:] = [other for other in self if other is not thread]

    def pop_all(self) -> list[threading.Thread]:
        self[:], threads = [], self[:]
        return threads

    def join(self) -> None:
        """Wait for all of them, but for the caller's own."""
        for thread in self.pop_all():
            # One that is not alive has ended, or was about to be started at the close.
            if thread is not threading.current_thread() and thread.is_alive():
                thread.join()


class _NoThreads:
    """Stands for the threads of a server that does not wait for them."""

    def append(self, thread: threading.Thread) -> None:
        pass

    def discard(self, thread: threading.Thread) -> None:
        pass

    def join(self) -> None:
        pass


class _Begun:
    """Stands for the Event by which a Thread tells its start() that it runs: nobody waits for it
    there, and so two switches of threads are saved for each request."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set = False
        self._lock = threading.Lock()  # held until set
        self._lock.acquire()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._lock.release()

    def wait(self, timeout: float | None = None) -> bool:
        return True

    def wait_set(self) -> None:
        with self._lock:
            return

    def _at_fork_reinit(self) -> None:
        self._lock = threading.Lock()
        if not self._is_set:
            self._lock.acquire()


class _RequestThread(threading.Thread):
    """A fresh thread in every respect that a program can see; start() only does not wait until
    it runs."""

    def __init__(self, target: Any, args: tuple[Any, ...], daemon: bool) -> None:
        super().__init__(target=target, args=args, daemon=daemon)
        self._begun = self._started = _Begun()
        self._asked = False

    def start(self) -> None:
        super().start()
        self._asked = True

    def is_alive(self) -> bool:
        return (self._asked and not self._begun.is_set()) or super().is_alive()

    def join(self, timeout: float | None = None) -> None:
        if self._asked:
            self._begun.wait_set()
        super().join(timeout)


def _await_beginners() -> None:
    """The end of a program waits for threads that it knows of, and those only that have begun."""
    limbo: dict[threading.Thread, threading.Thread] = threading._limbo  # type: ignore[attr-defined]
    for thread in list(limbo):
        while isinstance(thread, _RequestThread) and not thread.daemon and thread in limbo:
            time.sleep(0.001)


threading._register_atexit(_await_beginners)  # type: ignore[attr-defined]


class _CappedThread(_RequestThread):
    """One of so many."""

    def __init__(self, room: _Room, *args: Any) -> None:
        super().__init__(*args)
        self._room = room

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._room.give_back()


class _Room:
    """For `max_threads` threads: while all is taken, the loop leaves the listener alone."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._lock = threading.Lock()  # guards the count, and what follows from it
        self._taken = 0

    def take(self) -> None:
        with self._lock:
            self._taken += 1
            if self._taken >= self._server.max_threads:
                self._server._accepts = False

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1
            was_full, self._server._accepts = not self._server._accepts, True
        if was_full:
            self._server._wake_loop()


class ThreadingMixIn(_Server):
    """Mix-in to answer each request in a thread of its own."""

    daemon_threads = False
    block_on_close = True  # server_close() waits for the non-daemon ones
    #: Threads at one time. Then the next clients wait in the listener's backlog, and the loop goes
    #: on. None: unbounded, as in the stdlib, so that handlers may wait for one another.
    max_threads: int | None = None
    _its_room: _Room | None = None
    _threads: _Threads | _NoThreads = _NoThreads()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer `request`. Thread: its own."""
        try:
            self.finish_request(request, client_address)
        except Exception:
            # Asked for, since the mix-in may stand before a server that is not ours.
            observer = getattr(self, "_observer", None)
            if observer is not None:
                observer.failed(request)
            self.handle_error(request, client_address)
        finally:
            self.shutdown_request(request)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start the thread. Raises: RuntimeError when there can be no more of them."""
        if self.block_on_close:
            vars(self).setdefault("_threads", _Threads())
        args = (self.process_request_thread, (request, client_address), self.daemon_threads)
        room = self._room()
        if room is None:
            thread = _RequestThread(*args)
        else:
            thread = _CappedThread(room, *args)
            room.take()
        self._threads.append(thread)
        try:
            thread.start()
        except BaseException:
            self._threads.discard(thread)
            if room is not None:
                room.give_back()
            raise

    def _room(self) -> _Room | None:
        # The mix-in may stand before a server that is not ours, whose loop cannot be held.
        if self.max_threads is None or not hasattr(self, "_wake_loop"):
            return None
        if self._its_room is None:
            self._its_room = _Room(self)
        return self._its_room

    def server_close(self) -> None:
        super().server_close()
        self._threads.join()
