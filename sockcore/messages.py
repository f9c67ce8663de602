"""MessageRequestHandler: answers messages instead of bytes.

Knows framings and how to read a socket to its end. An event server drives it without that: see
`conversation.py`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sockcore.errors import FrameError
from sockcore.framing import Decoder, Framing, LineFraming
from sockcore.handlers import BaseRequestHandler

__all__ = ["MessageRequestHandler"]

_READ_BYTES = 64 * 1024

#: Bytes of answers to one read that are kept to go out together.
_TOGETHER_BYTES = 64 * 1024

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)


class MessageRequestHandler(BaseRequestHandler):
    """Answers the messages of one connection, or one datagram.

    Declare `framing` and `max_frame`, override `handle_message()`, and `opened()` and `closed()`
    where there is something to begin or end with. A frame that cannot be taken ends the
    connection with a `FrameError`. On a datagram server a datagram is a message, whatever the
    framing; a client without an address, as a Unix one may be, is sent nothing.

    Thread: the one that answers the request; on an event server that of its loop, where nothing
    here may block. `send()` and `close()`: any.
    """

    framing: Framing = LineFraming()
    max_frame: int = 64 * 1024  # bytes of the longest message taken

    _decoder: Decoder | None = None
    _transmit: Callable[[bytes], object] | None = None
    _wake: Callable[[], object] | None = None
    _wants_to_end = False
    #: Where sending does not wait: whether the peer has yet to take earlier answers. Until it has,
    #: what it asks for more is kept as it came, which is small.
    _is_full: Callable[[], bool] | None = None
    _unanswered: list[bytes] | None = None
    _waits = False  # transmit() returns once it is sent, and nothing but us reads the socket
    #: Frames that go out together, once what came in one go is answered.
    _together: list[bytes] | None = None
    _thread = 0  # the one that answers

    def __init__(self, request: Any, client_address: Any, server: Any) -> None:
        self.request = request
        self.client_address = client_address
        self.server = server
        self.setup()
        adopt = getattr(server, "_adopt_messages", None)
        if adopt is not None and adopt(self):
            return  # the loop goes on from here
        try:
            self.handle()
        finally:
            self.finish()

    # -- to override ----------------------------------------------------------------------

    def opened(self) -> None:
        """The connection is there."""

    def handle_message(self, message: bytes) -> bytes | None:
        """Returns: the answer, to be framed; None for no answer."""
        raise NotImplementedError

    def closed(self) -> None:
        """The connection is over. Called once, whatever happened, if opened() was."""

    # -- to call --------------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """Frame `message` and send it.

        Raises: FrameError; OSError of a peer that is gone. Thread: any.
        """
        transmit = self._transmit
        if transmit is None:
            raise ConnectionError("not connected: send() works from opened() to closed()")
        frame = message if self._decoder is None else self.framing.encode(message)
        if self._together is None or self._thread != threading.get_ident():
            transmit(frame)
            return
        self._together.append(frame)
        if self._waits:
            self._send_together()

    def close(self) -> None:
        """End the connection, once what was sent is out. No more messages are handled."""
        self._wants_to_end = True
        wake = self._wake
        if wake is not None and self._thread != threading.get_ident():
            wake()

    # -- reading to the end, in a thread or process of its own ----------------------------

    def handle(self) -> None:
        if isinstance(self.request, tuple):
            self._handle_datagram(*self.request)
            return
        self._waits = True
        lock = threading.Lock()  # answers of several threads do not mix

        def transmit(data: bytes) -> None:
            with lock:
                self.request.sendall(data)

        with self._from_opened_to_closed(transmit, self._stop_reading):
            while not self._wants_to_end and self._read():
                pass

    def _handle_datagram(self, data: bytes, sock: socket.socket) -> None:
        def transmit(datagram: bytes) -> None:
            if self.client_address:
                sock.sendto(datagram, self.client_address)

        with self._from_opened_to_closed(transmit):
            answer = self.handle_message(data)
            if answer is not None:
                self.send(answer)

    @contextlib.contextmanager
    def _from_opened_to_closed(
        self, transmit: Callable[[bytes], object], wake: Callable[[], object] | None = None
    ) -> Iterator[None]:
        try:
            self._begin(transmit, wake)
            yield
        finally:
            self._end_talk()

    def _stop_reading(self) -> None:
        """Have recv() find the end. Thread: another than that which reads."""
        with contextlib.suppress(OSError):  # the peer is gone already
            # Not that of a TLS socket: it would drop TLS under the feet of who reads.
            socket.socket.shutdown(self.request, socket.SHUT_RD)

    def _read(self) -> bool:
        """Returns: False at the end of input."""
        gap_s = self._pending_gap()
        if gap_s is not None and not self._comes_within(gap_s):
            self._gap_over()
            return True
        data = self.request.recv(_READ_BYTES)
        if data:
            self._receive(data)
        else:
            self._end_of_input()
        return bool(data)

    def _comes_within(self, gap_s: float) -> bool:
        """Wait for something to read; not by a timeout of the socket, which would hold for who
        sends meanwhile, too."""
        if hasattr(self.request, "pending") and self.request.pending():  # decrypted already
            return True
        with _Selector() as selector:
            selector.register(self.request, selectors.EVENT_READ)
            return bool(selector.select(gap_s))

    # -- the steps, which read nothing themselves -----------------------------------------

    def _begin(
        self,
        transmit: Callable[[bytes], object],
        wake: Callable[[], object] | None = None,
        is_full: Callable[[], bool] | None = None,
    ) -> None:
        """`transmit(data)` sends; `wake()` has a close() of another thread noticed; while
        `is_full()`, messages wait for `_go_on()`."""
        if not isinstance(self.request, tuple):
            self._decoder = self.framing.decoder(self.max_frame)
        self._thread = threading.get_ident()
        self._wake = wake
        self._transmit = transmit
        self._is_full = is_full
        self.opened()

    def _receive(self, data: bytes) -> None:
        """Answer what `data` completes. Raises: what handle_message() does, FrameError."""
        if self._wants_to_end:
            return
        decoder = self._decoder
        assert decoder is not None
        messages = decoder.feed(data)
        if messages:
            self._answer(messages)
        if decoder.error is not None:
            self._give_up(decoder.error)

    def _give_up(self, error: FrameError) -> None:
        """Once what came before is answered."""
        if not self._wants_to_end and not self._unanswered:
            raise error

    def _go_on(self) -> None:
        """The peer has taken enough of what it was sent. Raises: as _receive()."""
        messages, self._unanswered = self._unanswered, None
        if messages and self._decoder is not None and not self._wants_to_end:
            self._answer(messages)
            if self._decoder.error is not None:
                self._give_up(self._decoder.error)

    def _answer(self, messages: list[bytes]) -> None:
        together = self._together = []
        encode, size, left = self.framing.encode, 0, iter(messages)
        try:
            for message in left:
                answer = self.handle_message(message)
                if answer is not None:
                    frame = encode(answer)
                    together.append(frame)
                    size += len(frame)
                    if size > _TOGETHER_BYTES:
                        self._send_together()
                        size = 0
                        if self._is_full is not None and self._is_full():
                            self._unanswered = list(left)
                if self._wants_to_end:
                    break
        finally:
            self._send_together()
            self._together = None

    def _send_together(self) -> None:
        together = self._together
        if together and self._transmit is not None:
            data = together[0] if len(together) == 1 else b"".join(together)
            together.clear()
            self._transmit(data)

    def _end_of_input(self) -> None:
        if self._decoder is None or self._wants_to_end:
            return
        last = self._decoder.rest()
        if last is not None:
            self._answer([last])

    def _pending_gap(self) -> float | None:
        """Seconds of silence after which to call _gap_over(); None: silence means nothing."""
        gap_s = self.framing.gap_s
        if gap_s is None or self._decoder is None or not self._decoder.is_amid:
            return None
        return gap_s

    def _gap_over(self) -> None:
        if self._pending_gap() is not None:
            self._end_of_input()

    def _end_talk(self) -> None:
        if self._transmit is not None:
            self._transmit = self._wake = None
            self.closed()

    def _end(self) -> None:
        """Of one that a loop drove."""
        try:
            self._end_talk()
        finally:
            self.finish()
