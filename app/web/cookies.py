"""What the panel leaves in a browser: no script reads it, and over TLS it goes over nothing else.

Knows cookies, and how a request came. Knows nothing of what is in them.
"""

from __future__ import annotations

from fastapi import Request, Response


def leave_cookie(
    request: Request, response: Response, name: str, value: str, max_age_s: int
) -> None:
    response.set_cookie(
        name,
        value,
        max_age=max_age_s,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )


def take_cookie(request: Request, response: Response, name: str) -> None:
    """Have the browser forget it."""
    leave_cookie(request, response, name, "", 0)
