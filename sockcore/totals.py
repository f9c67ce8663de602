"""The counts of one run of a server, as plain values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Totals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of one run, what is still open included."""

    connections: int = 0
    connections_total: int = 0
    requests_total: int = 0
    errors_total: int = 0
    refused_total: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    #: Datagrams that no handler got: thrown away by the kernel as the socket's buffer was full
    #: (Linux tells), or refused here. Those that were refused are in `refused_total` too.
    dropped_total: int = 0
    suppressed_total: int = 0  # replies to datagrams that were not sent: Limits.replies_per_s
    overdue_total: int = 0  # requests whose handler was away for longer than its limit
