"""EventMixIn: connections that cost kilobytes while they are silent, however many there are.

A `MessageRequestHandler` lives on the loop: one thread for all of them. Any other handler is
parked until its peer has said something, and then gets a thread of the pool.
"""

from __future__ import annotations

import contextlib
import functools
import heapq
import itertools
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from sockcore.conversation import Conversation
from sockcore.limits import Limits
from sockcore.messages import MessageRequestHandler
from sockcore.pool import PoolMixIn

__all__ = ["EventMixIn"]

#: Seconds that a stop leaves for answers which are under way.
_FLUSH_S = 1.0


class EventMixIn(PoolMixIn):
    """Mix-in to serve stream connections from one loop.

    `handle_message()` of a `MessageRequestHandler` runs in the serving thread, so it must not
    block; `send()` may be called from any thread. A handler of another kind blocks as ever, in
    one of `max_threads` threads, from the first bytes of its peer on. One that speaks before it
    listens says so by a class attribute `speaks_first = True`, and gets its thread at once.
    """

    #: Seconds without a byte taken until a peer that does not read is cut; None: no limit.
    send_timeout: float | None = 30.0

    _takes_listener = False
    _parked_for_s = None
    _conversations: _Conversations | None = None

    def _obey(self, limits: Limits) -> None:
        super()._obey(limits)  # type: ignore[misc]  # that of TCPServer
        if limits.send_timeout_s is None:
            vars(self).pop("send_timeout", None)
        else:
            self.send_timeout = limits.send_timeout_s

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        conversations = self._conversations = _Conversations(self)
        try:
            conversations.open()
            super().serve_forever(poll_interval)
        finally:
            self._conversations = None
            conversations.close()

    def service_actions(self) -> None:
        super().service_actions()
        if self._conversations is not None:
            self._conversations.look_after()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Thread: the serving one."""
        pool, conversations = self._pool, self._conversations
        if pool is None or conversations is None or threading.get_ident() in pool.idents:
            super().process_request(request, client_address)
        elif _holds_messages(self.RequestHandlerClass):
            conversations.begin(request, client_address)
        elif not (self._waits_for_peer and pool.park(request, client_address)):
            pool.put(request, client_address)

    def _adopt_messages(self, handler: MessageRequestHandler) -> bool:
        """Returns: whether the loop drives `handler`, which was just made."""
        conversations = self._conversations
        return conversations is not None and conversations.adopt(handler)


def _holds_messages(handler_class: Any) -> bool:
    return isinstance(handler_class, type) and issubclass(handler_class, MessageRequestHandler)


class _Conversations:
    """All that talk on the loop of one serve_forever(). The `Host` of each conversation.

    Thread: the serving one, but for `call_soon`.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._poll = select.epoll()
        self._by_fd: dict[int, Conversation] = {}
        self._due: list[tuple[float, int, Conversation]] = []  # a heap; some are out of date
        self._numbers = itertools.count()
        self._posted: deque[tuple[Conversation, bytes]] = deque()
        self._being_made: Conversation | None = None
        self.serving_thread = threading.get_ident()
        self.not_now: tuple[type[OSError], ...] = (BlockingIOError,)
        self.unsent_bytes = 0

    def open(self) -> None:
        if self._server.ssl_context is not None:
            import ssl  # not everybody has it

            self.not_now = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self._server._also_wait_for(self._poll.fileno(), self._ready)

    # -- beginning ------------------------------------------------------------------------

    def begin(self, request: Any, address: Any) -> None:
        """Take over a connection that was just accepted."""
        request.setblocking(False)
        conversation = Conversation(self, request, address)
        self._by_fd[conversation.fd] = conversation
        self._poll.register(conversation.fd, select.EPOLLIN)
        if self._server.ssl_context is None:
            self._step(conversation, conversation.meet)
        else:
            conversation.is_shaken = False
            if (timeout_s := self._server.handshake_timeout) is not None:
                self.wake_at(conversation, time.monotonic() + timeout_s)

    def meet(self, conversation: Conversation) -> MessageRequestHandler | None:
        """Have its handler made. Returns: None when finish_request() made none."""
        self._being_made = conversation
        try:
            self._server.finish_request(conversation.request, conversation.address)
        finally:
            self._being_made = None
        return conversation.handler

    def adopt(self, handler: MessageRequestHandler) -> bool:
        conversation = self._being_made
        if conversation is None or conversation.request is not handler.request:
            return False
        conversation.handler = handler
        return True

    # -- going on -------------------------------------------------------------------------

    def _ready(self) -> None:
        for fd, events in self._poll.poll(0):
            conversation = self._by_fd.get(fd)
            if conversation is None:
                continue
            if conversation.unsent_bytes and events & ~select.EPOLLIN:
                self._step(conversation, conversation.flush)
            elif conversation.is_shaken:
                self._step(conversation, conversation.read)
            else:
                self._step(conversation, conversation.shake_hands)

    def _step(self, conversation: Conversation, action: Callable[[], None]) -> None:
        try:
            self._seen(conversation, action)
        except Exception:
            self._server._fail(conversation.request, conversation.address)
            self._end(conversation)
        except BaseException:
            self._end(conversation)
            raise
        else:
            if conversation.is_ending:
                if conversation.unsent_bytes:
                    conversation.look()
                else:
                    self._end(conversation)

    def _seen(self, conversation: Conversation, action: Callable[[], None]) -> None:
        """Do it, so that one who watches sees a handler that keeps the loop busy."""
        observer = self._server._observer
        if observer is None:
            action()
            return
        observer.answering(conversation.request)
        try:
            action()
        finally:
            observer.no_longer_answering(conversation.request)

    def not_shaken(self, conversation: Conversation, error: Exception) -> None:
        self._server._handshake_failed(conversation.request, conversation.address, error)

    @property
    def send_timeout(self) -> float | None:
        timeout_s: float | None = self._server.send_timeout
        return timeout_s

    def look_for(self, conversation: Conversation, *, read: bool, write: bool) -> None:
        events = (select.EPOLLIN if read else 0) | (select.EPOLLOUT if write else 0)
        self._poll.modify(conversation.fd, events)

    def call_soon(self, conversation: Conversation, data: bytes) -> None:
        """Thread: any."""
        self._posted.append((conversation, data))
        self._server._wake_loop()

    def wake_at(self, conversation: Conversation, when: float) -> None:
        conversation.due = when
        heapq.heappush(self._due, (when, next(self._numbers), conversation))
        self._server._next_due = self._due[0][0]

    def look_after(self) -> None:
        """Called each turn of the loop."""
        while self._posted:
            conversation, data = self._posted.popleft()
            if not conversation.is_ended:
                self._step(conversation, functools.partial(conversation.transmit, data))
        if self._due:
            self._fire(time.monotonic())

    def _fire(self, now: float) -> None:
        due = self._due
        while due and due[0][0] <= now:
            when, _, conversation = heapq.heappop(due)
            if conversation.due == when and not conversation.is_ended:
                conversation.due = None
                self._step(conversation, conversation.overdue)
        self._server._next_due = due[0][0] if due else None

    # -- ending ---------------------------------------------------------------------------

    def _end(self, conversation: Conversation) -> None:
        if conversation.is_ended:
            return
        conversation.is_ended = True
        self.unsent_bytes -= conversation.unsent_bytes
        del self._by_fd[conversation.fd]
        with contextlib.suppress(OSError):  # its handler closed it already
            self._poll.unregister(conversation.fd)
        try:
            if conversation.handler is not None:
                conversation.handler._end()
        except Exception:
            self._server._fail(conversation.request, conversation.address)
        finally:
            self._server.shutdown_request(conversation.request)

    def close(self) -> None:
        """The loop is out: what has come is answered, answers go out if they can."""
        self._server._next_due = None
        self._server._wait_no_more_for(self._poll.fileno())
        self._ready()
        for conversation in list(self._by_fd.values()):
            if self._server._observer is not None:
                self._server._observer.stopping(conversation.request)
            self._step(conversation, conversation.end_soon)
        deadline = time.monotonic() + _FLUSH_S
        while self._by_fd and time.monotonic() < deadline:
            if self._poll.poll(deadline - time.monotonic(), 1):
                self._ready()
        for conversation in list(self._by_fd.values()):
            self._end(conversation)
        self._poll.close()
