"""What one server may use, as numbers. Enforced by the observers and the server itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None means no limit."""

    #: Open at one time; the next is closed at once and counted as refused.
    #: For datagrams: peers remembered; the one silent longest is forgotten for the next.
    max_connections: int | None = None

    #: The same for each IP address; an IPv4 client of a dual-stack server counts by its IPv4
    #: address. Only for TCP: local clients have no address, and a datagram's may be forged.
    max_connections_per_address: int | None = None

    #: Seconds without a byte either way until a stream is cut or a datagram peer forgotten.
    idle_timeout_s: float | None = None

    #: Seconds in which a client that is being sent something takes nothing of it, until it is
    #: cut; of a local datagram, until sending it fails. None: an event server keeps that of its
    #: class, `send_timeout`.
    send_timeout_s: float | None = None

    #: Seconds a client has to agree on TLS, all in all.
    handshake_timeout_s: float | None = 5.0

    #: Seconds a handler may neither read nor write (of a datagram: may take) until that is told
    #: of. Nothing is done to it: a thread cannot be ended from outside.
    handler_timeout_s: float | None = None

    #: Of datagrams: replies that one IP address, or one path, is sent in a second, that many at
    #: once included. One more is not sent, and counted as suppressed. Where a datagram comes from
    #: can be forged, so that replies are a way to flood somebody else.
    replies_per_s: float | None = None

    #: Of datagrams: no reply is sent to a lower port of an IP address. Those are of services, some
    #: of which answer whatever they are sent. 0: any port.
    replies_from_port: int = 0

    #: Of datagrams: no reply is sent to these, given as getsockname() does: to servers of the same
    #: program, which might answer it in turn, for ever.
    no_reply_to: frozenset[Any] = frozenset()

    #: Bytes kept of each direction of a request; the rest is counted and digested.
    #: 64 KiB holds nearly every message of line, telemetry and control protocols whole.
    tape_bytes: int = 64 * 1024

    #: Chunks kept in order; later ones join the last of their direction. Bounds the memory of
    #: a peer that sends single bytes: 4,096 tuples are about half a MiB.
    tape_chunks: int = 4096
