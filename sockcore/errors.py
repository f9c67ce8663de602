"""What sockcore itself can complain of. OSError from bind, accept and the like passes unchanged.

SockcoreError
|- StateError        asked for what the present state does not allow
|- FrameError        bytes that are no message of the declared framing
|  `- FrameTooLong   one that is longer than allowed
|- SendBufferFull    a peer does not read what it is sent
`- CertificateError  a certificate or key cannot be used, in a sentence
"""

from __future__ import annotations

__all__ = [
    "CertificateError",
    "FrameError",
    "FrameTooLong",
    "SendBufferFull",
    "SockcoreError",
    "StateError",
]


class SockcoreError(Exception):
    """The root of sockcore's own errors."""


class StateError(SockcoreError):
    """The server is in a state from which this cannot be done."""


class FrameError(SockcoreError):
    """Bytes, or a message, that the declared framing cannot hold."""


class FrameTooLong(FrameError):
    """A frame is longer than the handler's `max_frame`."""


class SendBufferFull(SockcoreError):
    """A peer reads nothing of what it is sent: an event server keeps no more for it (or for all
    of them), or a limit of time is over."""


class CertificateError(SockcoreError):
    """A file of TLS is missing, cannot be read, or does not fit the others."""
