"""Who may connect to the panel, and who has been too slow: the bounds that no visitor gets past.

Knows addresses, counts and a clock. Knows nothing of HTTP, nor of what is served.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from app.crowd import crowd_of, unmapped

log = logging.getLogger("app.panel")

#: Seconds between two lines about what was closed, however much that is.
_TELL_S = 1.0

#: Seconds that one may wait before it has to give way to others.
_PATIENCE_S = 1.0

#: Bytes that the kernel holds for a visitor beyond those on their way to it.
_UNSENT_BYTES = 128 * 1024


@dataclass(frozen=True, slots=True)
class PanelLimits:
    """What a visitor of the panel may take."""

    header_s: float = 10.0  # from connecting, or a request's first byte, to the header's end
    body_s: float = 30.0  # that a body may stand still
    body_bytes_per_s: int = 500  # as fast as it must come in the long run
    unread_s: float = 30.0  # that nothing of what is sent may be taken
    connections: int = 1_000
    per_address: int = 100  # of one IPv4 address, or one IPv6 network of 64 bits

    @property
    def look_s(self) -> float:
        """Seconds between two looks at everybody; the deadlines are that exact."""
        return min(0.5, self.header_s / 8, self.body_s / 8)


class Fault(StrEnum):
    """Why a connection was closed."""

    FULL = "too many in all"
    CROWD = "too many of one address"
    ROOM = "waiting while others needed the room"
    HEADER = "too slow with a header"
    LONG_HEADER = "too long a header"
    BODY = "too slow with a body"
    NOT_HTTP = "not HTTP"
    HANDSHAKE = "too slow with a TLS handshake"
    NOT_TLS = "did not agree on TLS"
    UNREAD = "took nothing of what was sent"


class Visitor(Protocol):
    """A connection, as the door knows it."""

    client: tuple[str, int] | None  # plain

    def look(self, now: float) -> None:
        """End yourself if you are overdue. `now`: seconds, as in `Door.now`."""

    def make_room(self) -> None:
        """End yourself."""


class Crowd:
    """The visitors that are counted together."""

    def __init__(self) -> None:
        self.visitors: set[Visitor] = set()
        self.waiting: dict[Visitor, float] = {}  # since when (`Door.now`), the longest first

    def idlest(self) -> tuple[float, Visitor] | None:
        """The one that has waited longest, and since when."""
        return next(((since, visitor) for visitor, since in self.waiting.items()), None)


class Door:
    """Counts visitors, and looks at all of them every `limits.look_s`.

    Where there is no room, whoever has been waiting for a while without a whole request gives
    way: those who only hold a place keep nobody out, themselves included.

    `now` is in seconds and stands still with the process, so that one which was stopped for a
    while finds nobody overdue. Thread: the event loop's.
    """

    def __init__(self, limits: PanelLimits) -> None:
        self.limits = limits
        self.now = 0.0
        self.closed: Counter[Fault] = Counter()  # since the start
        self._told: Counter[Fault] = Counter()  # of those: what the log has said
        self._told_at = float("-inf")  # the loop's seconds
        self._last = ""  # the host of the last one closed
        self._visitors: dict[Visitor, str] = {}  # with the name of its crowd
        self._crowds: dict[str, Crowd] = {}  # none is empty
        self._looked_at: float | None = None  # the loop's seconds; None: nobody looks

    def admit(self, visitor: Visitor) -> Fault | None:
        """Let it in, waiting. Returns: why not; then it is not to be kept."""
        self._look_from_now_on()
        name = crowd_of(visitor.client[0] if visitor.client else "")
        crowd = self._crowds.get(name, Crowd())
        fault = None
        if len(crowd.visitors) >= self.limits.per_address and not self._has_made_room(crowd):
            fault = Fault.CROWD
        elif len(self._visitors) >= self.limits.connections and not self._has_made_room(
            *self._crowds.values()
        ):
            fault = Fault.FULL
        if fault is not None:
            self.note(fault, visitor)
            return fault
        self._visitors[visitor] = name
        crowd = self._crowds.setdefault(name, crowd)
        crowd.visitors.add(visitor)
        self.waits(visitor)
        return None

    def waits(self, visitor: Visitor) -> None:
        """Nothing is being done for it from now on."""
        if visitor in self._visitors:
            self._crowds[self._visitors[visitor]].waiting.setdefault(visitor, self.now)

    def is_served(self, visitor: Visitor) -> None:
        """It has said what it wants."""
        if visitor in self._visitors:
            self._crowds[self._visitors[visitor]].waiting.pop(visitor, None)

    def leave(self, visitor: Visitor) -> None:
        """It is gone. One that was never let in may say so too."""
        name = self._visitors.pop(visitor, None)
        if name is None:
            return
        crowd = self._crowds[name]
        crowd.visitors.discard(visitor)
        crowd.waiting.pop(visitor, None)
        if not crowd.visitors:
            del self._crowds[name]

    def note(self, fault: Fault, visitor: Visitor) -> None:
        """It was closed for that: count it; the log says so soon, once for many."""
        self.closed[fault] += 1
        self._last = visitor.client[0] if visitor.client else "an unknown address"

    def _has_made_room(self, *crowds: Crowd) -> bool:
        """Have the one go that has waited longest, unless none has for long: those who came at
        one moment may all be about to ask."""
        idlest = [found for crowd in crowds if (found := crowd.idlest()) is not None]
        since, visitor = min(idlest, key=lambda found: found[0], default=(self.now, None))
        if visitor is None or self.now - since < min(_PATIENCE_S, self.limits.header_s / 2):
            return False
        visitor.make_room()
        self.leave(visitor)
        return True

    def _look_from_now_on(self) -> None:
        if self._looked_at is None:
            loop = asyncio.get_running_loop()
            self._looked_at = loop.time()
            loop.call_later(self.limits.look_s, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        time_s = loop.time()
        assert self._looked_at is not None
        # What is more than a look's delay is time in which the process did not run.
        self.now += min(time_s - self._looked_at, 2 * self.limits.look_s)
        self._looked_at = None
        if self._visitors or self.closed != self._told:
            self._looked_at = time_s
            loop.call_later(self.limits.look_s, self._look)
        for visitor in tuple(self._visitors):
            visitor.look(self.now)
        self._tell(time_s)

    def _tell(self, time_s: float) -> None:
        news = self.closed - self._told
        if news and time_s - self._told_at >= _TELL_S:
            what = ", ".join(f"{count} {fault.value}" for fault, count in news.items())
            log.warning("closed connections to the panel: %s; the last from %s", what, self._last)
            self._told, self._told_at = self.closed.copy(), time_s


def plain(client: tuple[str, int] | None) -> tuple[str, int] | None:
    """`client` as all but the kernel know it: to a panel that has IPv6 too, who comes by IPv4 is
    `::ffff:192.0.2.1`."""
    try:
        address = unmapped(ipaddress.ip_address(client[0])) if client else None
    except ValueError:
        address = None
    return (str(address), client[1]) if client and address else client


def bound_unread(listener: socket.socket, limits: PanelLimits) -> None:
    """Have the kernel cut whoever takes nothing of what is sent, and hold little for it.

    Only the kernel knows what was taken: it has room for megabytes, and what we see leave may
    never have arrived. Connections inherit both from their listener; where there is no such
    thing (not Linux), the kernel's own limits hold.
    """
    for name, value in (
        ("TCP_USER_TIMEOUT", int(limits.unread_s * 1000)),
        ("TCP_NOTSENT_LOWAT", _UNSENT_BYTES),
    ):
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
