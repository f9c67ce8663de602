"""Echo: the shortest handler that answers. Keeps nothing; works on bytes as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sockcore import MessageRequestHandler, RawFraming


class Echo(MessageRequestHandler):
    """Gives back what it receives, as it comes.

    To an empty datagram, nothing.
    """

    options: ClassVar[Mapping[str, str]] = {"upper": "Give ASCII letters back in upper case."}
    upper = False

    framing = RawFraming()

    def handle_message(self, message: bytes) -> bytes | None:
        return (message.upper() if self.upper else message) or None
