"""MessageRequestHandler: answers messages instead of bytes.

Knows framings and how to read a socket to its end. An event server drives it without that: see
`conversation.py`.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from sockcore.framing import Decoder, Framing, LineFraming
from sockcore.handlers import BaseRequestHandler

__all__ = ["MessageRequestHandler"]

_READ_BYTES = 64 * 1024


class MessageRequestHandler(BaseRequestHandler):
    """Answers the messages of one connection, or one datagram.

    Declare `framing` and `max_frame`, override `handle_message()`, and `opened()` and `closed()`
    where there is something to begin or end with. A frame that cannot be taken ends the
    connection with a `FrameError`. On a datagram server a datagram is a message, whatever the
    framing.

    Thread: the one that answers the request; on an event server that of its loop, where nothing
    here may block. `send()` and `close()`: any.
    """

    framing: Framing = LineFraming()
    max_frame: int = 64 * 1024  # bytes of the longest message taken

    _decoder: Decoder | None = None
    _transmit: Callable[[bytes], object] | None = None
    _wants_to_end = False
    #: Frames that go out together, once what came in one go is answered.
    _together: list[bytes] | None = None
    _answering_thread = 0

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
        if self._transmit is None:
            raise ConnectionError("not connected: send() works from opened() to closed()")
        frame = self._framed(message)
        if self._together is not None and self._answering_thread == threading.get_ident():
            self._together.append(frame)
        else:
            self._transmit(frame)

    def close(self) -> None:
        """End the connection, once what was sent is out. No more messages are handled."""
        self._wants_to_end = True

    # -- reading to the end, in a thread or process of its own ----------------------------

    def handle(self) -> None:
        if isinstance(self.request, tuple):
            self._handle_datagram(*self.request)
            return
        lock = threading.Lock()  # answers of several threads do not mix

        def transmit(data: bytes) -> None:
            with lock:
                self.request.sendall(data)

        with self._from_opened_to_closed(transmit):
            while not self._wants_to_end and self._read():
                pass

    def _handle_datagram(self, data: bytes, sock: socket.socket) -> None:
        with self._from_opened_to_closed(lambda frame: sock.sendto(frame, self.client_address)):
            answer = self.handle_message(data)
            if answer is not None:
                self.send(answer)

    @contextlib.contextmanager
    def _from_opened_to_closed(self, transmit: Callable[[bytes], object]) -> Iterator[None]:
        try:
            self._begin(transmit)
            yield
        finally:
            self._end_talk()

    def _read(self) -> bool:
        """Returns: False at the end of input."""
        gap_s = self._pending_gap()
        try:
            data = self._receive_within(gap_s)
        except TimeoutError:
            if gap_s is None:
                raise
            self._gap_over()
            return True
        if data:
            self._receive(data)
        else:
            self._end_of_input()
        return bool(data)

    def _receive_within(self, gap_s: float | None) -> bytes:
        request = self.request
        if gap_s is None:
            return request.recv(_READ_BYTES)  # type: ignore[no-any-return]
        timeout = request.gettimeout()
        request.settimeout(gap_s)
        try:
            return request.recv(_READ_BYTES)  # type: ignore[no-any-return]
        finally:
            request.settimeout(timeout)

    # -- the steps, which read nothing themselves -----------------------------------------

    def _begin(self, transmit: Callable[[bytes], object]) -> None:
        self._transmit = transmit
        if not isinstance(self.request, tuple):
            self._decoder = self.framing.decoder(self.max_frame)
        self.opened()

    def _receive(self, data: bytes) -> None:
        """Answer what `data` completes. Raises: what handle_message() does, FrameError."""
        decoder = self._decoder
        assert decoder is not None
        messages = decoder.feed(data)
        if messages:
            self._answer(messages)
        if decoder.error is not None and not self._wants_to_end:
            raise decoder.error

    def _answer(self, messages: list[bytes]) -> None:
        self._answering_thread = threading.get_ident()
        together = self._together = []
        try:
            for message in messages:
                answer = self.handle_message(message)
                if answer is not None:
                    together.append(self._framed(answer))
                if self._wants_to_end:
                    break
        finally:
            self._together = None
            if together and self._transmit is not None:
                self._transmit(together[0] if len(together) == 1 else b"".join(together))

    def _end_of_input(self) -> None:
        decoder = self._decoder
        assert decoder is not None
        last = decoder.rest()
        if last is not None:
            self._answer([last])
        if decoder.error is not None:
            raise decoder.error

    def _pending_gap(self) -> float | None:
        """Seconds of silence after which to call _gap_over(); None: silence means nothing."""
        gap_s = self.framing.gap_s
        if gap_s is None or self._decoder is None or not self._decoder.is_amid:
            return None
        return gap_s

    def _gap_over(self) -> None:
        if self._decoder is not None and self._decoder.is_amid:
            self._end_of_input()

    def _end_talk(self) -> None:
        if self._transmit is not None:
            self._transmit = None
            self.closed()

    def _end(self) -> None:
        """Of one that a loop drove."""
        try:
            self._end_talk()
        finally:
            self.finish()

    def _framed(self, message: bytes) -> bytes:
        return message if self._decoder is None else self.framing.encode(message)
