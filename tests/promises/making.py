"""Makes the servers of the promises' tests from plain values, in whatever process serves them."""

from __future__ import annotations

from typing import Any

import sockcore
from tests.promises.answering import HANDLERS

__all__ = ["made"]


def made(
    server: str, handler: str, address: Any, attributes: dict[str, Any], tls: list[str]
) -> Any:
    """Bound and listening, with `attributes` of its class. `tls`: certificate and key, or none."""
    if tls:
        from sockcore.tls import server_context

        attributes = {**attributes, "ssl_context": server_context(tls[0], tls[1])}
    chosen = type(server, (getattr(sockcore, server),), attributes)
    place = tuple(address) if isinstance(address, list) else address
    return chosen(place, HANDLERS[handler])
