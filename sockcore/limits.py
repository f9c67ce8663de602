"""What one server may use, as numbers. Enforced by `connections.py` and `background.py`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None means no limit."""

    #: Open at one time; the next is closed at once and counted as refused.
    #: For datagrams: peers remembered; the one silent longest is forgotten for the next.
    max_connections: int | None = None

    #: Seconds without a byte either way until a stream is cut or a datagram peer forgotten.
    idle_timeout_s: float | None = None

    #: Bytes kept of each direction of a request; the rest is counted and digested.
    #: 64 KiB holds nearly every message of line, telemetry and control protocols whole.
    tape_bytes: int = 64 * 1024

    #: Chunks kept in order; later ones join the last of their direction. Bounds the memory of
    #: a peer that sends single bytes: 4,096 tuples are about half a MiB.
    tape_chunks: int = 4096
