"""Discard: reads everything and says nothing. For clients that only send, and for load tests."""

from __future__ import annotations

from sockcore import MessageRequestHandler, RawFraming


class Discard(MessageRequestHandler):
    """Reads all, answers nothing."""

    framing = RawFraming()

    def handle_message(self, message: bytes) -> None:
        """It is in the log, so there is no need to keep it."""
