"""One connection of an event server: a message handler driven by what its socket can do now.

Knows one socket and one `MessageRequestHandler`. Knows nothing of the loop but its `Host`.

    handshaking -> open -> ending (the rest of the answers goes out) -> ended
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from sockcore.errors import SendBufferFull

if TYPE_CHECKING:
    from sockcore.messages import MessageRequestHandler

__all__ = ["Conversation", "Host"]

#: Bytes of one read; a frame may take several.
_READ_BYTES = 16 * 1024

#: Reading stops while more than this waits to be sent, and goes on when it has gone.
_ENOUGH_UNSENT = 64 * 1024

#: A handler that sends on while this much waits is ended: its peer does not read.
_MAX_UNSENT = 256 * 1024


#: The same over all conversations of a server.
_MAX_UNSENT_IN_ALL = 64 * 1024 * 1024


class Host(Protocol):
    """What a conversation asks of the loop it lives in."""

    serving_thread: int
    not_now: tuple[type[OSError], ...]  # what a socket raises that would have to wait
    unsent_bytes: int  # over all conversations

    @property
    def send_timeout(self) -> float | None: ...
    def meet(self, conversation: Conversation) -> MessageRequestHandler | None: ...
    def not_shaken(self, conversation: Conversation, error: Exception) -> None: ...
    def look_for(self, conversation: Conversation, *, read: bool, write: bool) -> None: ...
    def call_soon(self, conversation: Conversation, data: bytes) -> None: ...
    def wake_at(self, conversation: Conversation, when: float) -> None: ...


class Conversation:
    """Thread: the serving one; `transmit` any."""

    __slots__ = (
        "_host",
        "_interest",
        "_unsent",
        "address",
        "due",
        "fd",
        "handler",
        "is_ended",
        "is_ending",
        "is_shaken",
        "request",
        "unsent_bytes",
    )

    def __init__(self, host: Host, request: Any, address: Any) -> None:
        self._host = host
        self._interest = (True, False)
        self._unsent: deque[memoryview] | None = None
        self.request = request
        self.address = address
        self.fd: int = request.fileno()
        self.handler: MessageRequestHandler | None = None
        self.is_shaken = True  # TLS is up, or there is none
        self.is_ending = False  # no more is read; over once all is sent
        self.is_ended = False
        self.due: float | None = None  # monotonic seconds, when overdue() is to be called
        self.unsent_bytes = 0

    # -- beginning ------------------------------------------------------------------------

    def shake_hands(self) -> None:
        from sockcore import tls  # not everybody has ssl

        try:
            step = tls.handshake_step(self.request)
        except (OSError, ValueError) as error:
            self._host.not_shaken(self, error)
            self.is_ending = True
            return
        if step == "done":
            self.is_shaken = True
            self.due = None
            self.meet()
        else:
            self._look(read=step == "read", write=step == "write")

    def meet(self) -> None:
        """Have the handler made, and let it begin."""
        handler = self._host.meet(self)
        if handler is None:
            self.is_ending = True
            return
        handler._begin(self.transmit, is_full=self._is_full)
        self._after(handler)

    # -- reading --------------------------------------------------------------------------

    def read(self) -> None:
        """Take what has come. Raises: what the handler does, and OSError of a broken peer."""
        handler = self.handler
        assert handler is not None
        try:
            data = self.request.recv(_READ_BYTES)
        except self._host.not_now:
            return
        if data:
            handler._receive(data)
            self._after(handler)
        else:
            handler._end_of_input()
            self.is_ending = True

    def _after(self, handler: MessageRequestHandler) -> None:
        if handler._wants_to_end:
            self.is_ending = True
        gap_s = handler._pending_gap()
        if gap_s is not None:
            self._host.wake_at(self, time.monotonic() + gap_s)

    def overdue(self) -> None:
        """It was silent for too long: for the framing, for a handshake, or for our answers."""
        if not self.is_shaken:
            self._host.not_shaken(self, TimeoutError("not done in time"))
            self.is_ending = True
        elif self.unsent_bytes:
            raise SendBufferFull(f"the peer takes nothing: {self.unsent_bytes} bytes wait")
        elif self.handler is not None:
            self.handler._gap_over()
            self._after(self.handler)

    def end_soon(self) -> None:
        """Read no more; what is unsent still goes out."""
        self.is_ending = True

    # -- writing --------------------------------------------------------------------------

    def transmit(self, data: bytes) -> None:
        """Send what can be sent now and keep the rest. Thread: any.

        Raises: SendBufferFull; OSError of a broken peer.
        """
        host = self._host
        if threading.get_ident() != host.serving_thread:
            host.call_soon(self, data)
            return
        if self._unsent:
            sent = 0
        else:
            try:
                sent = self.request.send(data)
            except host.not_now:
                sent = 0
            if sent == len(data):
                return
        if self.unsent_bytes >= _MAX_UNSENT or host.unsent_bytes >= _MAX_UNSENT_IN_ALL:
            raise SendBufferFull(f"the peer does not read: {self.unsent_bytes} bytes wait")
        self._keep(memoryview(data)[sent:])

    def _keep(self, data: memoryview) -> None:
        if self._unsent is None:
            self._unsent = deque()
            self._expect_progress()
        self._unsent.append(data)
        self.unsent_bytes += len(data)
        self._host.unsent_bytes += len(data)
        self.look()

    def flush(self) -> None:
        """Send on what is unsent. Raises: OSError of a broken peer."""
        unsent = self._unsent
        while unsent:
            try:
                sent = self.request.send(unsent[0])
            except self._host.not_now:
                break
            self.unsent_bytes -= sent
            self._host.unsent_bytes -= sent
            self._expect_progress()
            if sent == len(unsent[0]):
                unsent.popleft()
            else:
                unsent[0] = unsent[0][sent:]
        if not unsent:
            self._unsent = self.due = None
        handler = self.handler
        if handler is not None and handler._unanswered and not self._is_full():
            handler._go_on()
            self._after(handler)
        self.look()

    def _is_full(self) -> bool:
        return self.unsent_bytes > _ENOUGH_UNSENT

    def _expect_progress(self) -> None:
        timeout_s = self._host.send_timeout
        if timeout_s is not None:
            self._host.wake_at(self, time.monotonic() + timeout_s)

    def look(self) -> None:
        """Have the loop look for what this waits for, where that has changed."""
        reads = not self.is_ending and not self._is_full()
        self._look(read=reads, write=bool(self.unsent_bytes))

    def _look(self, *, read: bool, write: bool) -> None:
        if (read, write) != self._interest:
            self._interest = (read, write)
            self._host.look_for(self, read=read, write=write)
