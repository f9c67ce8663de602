"""What sockcore itself can complain of. OSError from bind, accept and the like passes unchanged.

SockcoreError
`- StateError     asked for what the present state does not allow
"""

from __future__ import annotations

__all__ = ["SockcoreError", "StateError"]


class SockcoreError(Exception):
    """The root of sockcore's own errors."""


class StateError(SockcoreError):
    """The server is in a state from which this cannot be done."""
