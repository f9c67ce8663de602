"""What sockcore itself can complain of. OSError from bind, accept and the like passes unchanged.

SockcoreError
|- StateError        asked for what the present state does not allow
`- CertificateError  a certificate or key cannot be used, in a sentence
"""

from __future__ import annotations

__all__ = ["CertificateError", "SockcoreError", "StateError"]


class SockcoreError(Exception):
    """The root of sockcore's own errors."""


class StateError(SockcoreError):
    """The server is in a state from which this cannot be done."""


class CertificateError(SockcoreError):
    """A file of TLS is missing, cannot be read, or does not fit the others."""
