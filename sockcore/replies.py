"""Who gets a reply to a datagram, and how many a second.

Where a datagram comes from can be forged. Who answers all of them can be made to flood somebody
else, or to talk with its like for ever. Knows addresses and clocks. Knows nothing of requests.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Hashable
from typing import Any

from sockcore.limits import Limits
from sockcore.peers import host_of

__all__ = ["Prepaid", "Replies"]

_SECOND_NS = 1_000_000_000

#: Sources remembered at most. One is forgotten when a second has passed since its last reply, or
#: less: as many as these take more replies a second than a server can make.
_MOST_SOURCES = 65_536

_ANYWHERE = frozenset({"0.0.0.0", "::"})


class Replies:
    """The replies of one server. Thread: any."""

    def __init__(self, limits: Limits) -> None:
        self._lock = threading.Lock()  # guards _paid_ns
        # When each source has waited out the replies it got: one each 1/n of a second. Those
        # whose time is over are as good as not there.
        self._paid_ns: dict[Hashable, int] = {}
        self.obey(limits)

    def obey(self, limits: Limits) -> None:
        """From now on."""
        most = limits.replies_per_s
        self._step_ns = 0 if most is None else int(_SECOND_NS / most)
        self._first_port = limits.replies_from_port
        ports: dict[int, set[str]] = {}
        for address in limits.no_reply_to:
            if isinstance(address, tuple):
                ports.setdefault(address[1], set()).add(host_of(address) or "")
        self._hosts_by_port = ports
        self._paths = {address for address in limits.no_reply_to if not isinstance(address, tuple)}

    @property
    def are_bounded(self) -> bool:
        """Whether there is anything to ask allow() for."""
        return bool(self._step_ns or self._first_port or self._hosts_by_port or self._paths)

    def allow(self, address: Any, at_ns: int | None = None) -> bool:
        """Whether one more may go to `address`, now or by the account as it was `at_ns` (of
        time.monotonic_ns). If so it is counted."""
        return not self._gets_none(address) and self._spend(address, at_ns)

    def spend(self, address: Any) -> None:
        """Count one that has gone already, however many there were."""
        self._spend(address, however_many=True)

    def give_back(self, address: Any) -> None:
        """One that was allowed did not go."""
        source = host_of(address) or address
        with self._lock:
            if source in self._paid_ns:
                self._paid_ns[source] -= self._step_ns

    def _gets_none(self, address: Any) -> bool:
        if not isinstance(address, tuple):
            return address in self._paths
        port: int = address[1]
        if port < self._first_port:
            return True
        hosts = self._hosts_by_port.get(port)
        return hosts is not None and _is_one_of(host_of(address) or "", hosts)

    def _spend(
        self, address: Any, at_ns: int | None = None, *, however_many: bool = False
    ) -> bool:
        step_ns = self._step_ns
        if not step_ns:
            return True
        source = host_of(address) or address
        now_ns = time.monotonic_ns() if at_ns is None else at_ns
        with self._lock:
            paid_ns = max(now_ns, self._paid_ns.get(source, 0)) + step_ns
            if paid_ns > now_ns + max(_SECOND_NS, step_ns) and not however_many:
                return False
            self._paid_ns[source] = paid_ns
            if len(self._paid_ns) > _MOST_SOURCES:
                self._tidy_locked(now_ns)
        return True

    def _tidy_locked(self, now_ns: int) -> None:
        left = {source: at_ns for source, at_ns in self._paid_ns.items() if at_ns > now_ns}
        if len(left) > _MOST_SOURCES // 2:  # the latest half, so that this stays seldom
            left = dict(list(left.items())[-_MOST_SOURCES // 2 :])
        self._paid_ns = left


class Prepaid:
    """The replies to one datagram that a child process answers.

    What it sends is heard of later than the next datagram comes, so the first one is taken
    beforehand, and given back if it never went.
    """

    def __init__(self, replies: Replies, address: Any) -> None:
        self._replies, self._address = replies, address
        self._at_ns = time.monotonic_ns()
        self._has_one = replies.allow(address, self._at_ns)

    def allow(self, address: Any) -> bool:
        """In the child, by what was known when it was forked: what is free later is free to all
        children at once, and only the parent knows who took it."""
        return self._uses_it(address) or self._replies.allow(address, self._at_ns)

    def spent(self, address: Any) -> None:
        """In the parent: the child has sent one."""
        if not self._uses_it(address):
            self._replies.spend(address)

    def end(self) -> None:
        """In the parent: the child sends no more."""
        if self._has_one:
            self._has_one = False
            self._replies.give_back(self._address)

    def _uses_it(self, address: Any) -> bool:
        uses_it = self._has_one and address == self._address
        if uses_it:
            self._has_one = False
        return uses_it


def _is_one_of(host: str, hosts: set[str]) -> bool:
    """Whether one who listens at one of `hosts` may be who sends from `host`."""
    return host in hosts or bool(hosts & _ANYWHERE and _is_here(host))


def _is_here(host: str) -> bool:
    """Whether it is an address of this machine: only such can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True
