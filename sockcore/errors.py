"""What sockcore itself can complain of. OSError from bind, accept and the like passes unchanged.

SockcoreError
|- StateError        asked for what the present state does not allow
|- SendBufferFull    a peer does not read what it is sent
`- CertificateError  a certificate or key cannot be used, in a sentence
"""

from __future__ import annotations

__all__ = ["CertificateError", "SendBufferFull", "SockcoreError", "StateError"]


class SockcoreError(Exception):
    """The root of sockcore's own errors."""


class StateError(SockcoreError):
    """The server is in a state from which this cannot be done."""


class SendBufferFull(SockcoreError):
    """More waits to be sent than an event server keeps for one peer, or for all of them."""


class CertificateError(SockcoreError):
    """A file of TLS is missing, cannot be read, or does not fit the others."""
