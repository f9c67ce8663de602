"""A device's protocol: frames with their length in front, a command byte in each, answers alike.

    $ printf '\\x00\\x01V\\x00\\x03Rab' | nc -N 127.0.0.1 20000 | xxd -c 10
    00000000: 0006 5631 2e34 2e32 0003 ..V1.4.2..
    0000000a: 5261 62                  Rab

Sockpit cuts the frames out of the bytes, however they arrive, and frames the answers. It offers
this class as `meter.py:Meter`; under the `event` model ten thousand silent devices need no thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from sockcore import LengthFraming, MessageRequestHandler


class Meter(MessageRequestHandler):
    """Answers V with its version and R with what it was sent; refuses the rest."""

    options: ClassVar[Mapping[str, str]] = {"version": "What V is answered with."}
    version = "1.4.2"

    framing = LengthFraming(size=2, byteorder="big")
    max_frame = 1024  # a frame that claims to be longer ends the connection

    def handle_message(self, message: bytes) -> bytes | None:
        """Called with each frame, without its length. None would answer nothing."""
        command, rest = message[:1], message[1:]
        if command == b"V":
            return b"V" + self.version.encode()
        if command == b"R":
            return b"R" + rest
        return b"?"
