"""The open connections of one server, by id and by address.

Knows records and the limits on how many there may be. Tells nobody of anything.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Hashable

from sockcore.connections import Connection, DatagramPeer
from sockcore.limits import Limits
from sockcore.peers import host_of
from sockcore.streams import Stream

__all__ = ["ConnectionTable"]


class ConnectionTable:
    """The open connections by id, and datagram peers by address too.

    Thread: any; `_locked`: one that holds the lock. What comes out is a copy.
    """

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock  # guards the mappings
        self._by_id: dict[int, Connection] = {}
        self._hosts: dict[str, int] | None = None  # streams by IP address, once they are limited
        self._peers: dict[Hashable, DatagramPeer] = {}  # the one silent longest first

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, peer: DatagramPeer) -> None:
        with self._lock:
            self._by_id[peer.id] = self._peers[peer.address] = peer

    def admit_locked(self, stream: Stream, limits: Limits) -> str | None:
        """Add a stream unless there are too many. Returns: why it was not added."""
        most, most_of_host = limits.max_connections, limits.max_connections_per_address
        if most is not None and len(self._by_id) >= most:
            return f"the limit of {most} connections is reached"
        if most_of_host is None:
            self._hosts = None
        elif not self._count_in(stream, most_of_host):
            return f"the limit of {most_of_host} connections from one address is reached"
        self._by_id[stream.id] = stream
        return None

    def _count_in(self, connection: Connection, most: int) -> bool:
        if self._hosts is None:
            hosts = [host_of(other.address) for other in self._by_id.values()]
            self._hosts = Counter(host for host in hosts if host is not None)
        host = host_of(connection.address)
        if host is None:
            return True
        count = self._hosts.get(host, 0)
        if count < most:
            self._hosts[host] = count + 1
        return count < most

    def remove_locked(self, connection: Connection) -> bool:
        """Returns: False when it was not there any more."""
        if self._by_id.pop(connection.id, None) is None:
            return False
        if not connection.stream:
            self._peers.pop(connection.address, None)
        elif self._hosts is not None:
            self._count_out(connection)
        return True

    def _count_out(self, connection: Connection) -> None:
        host = host_of(connection.address)
        if host is not None and self._hosts is not None:
            left = self._hosts[host] - 1
            if left:
                self._hosts[host] = left
            else:
                del self._hosts[host]

    def get(self, connection_id: int) -> Connection | None:
        with self._lock:
            return self._by_id.get(connection_id)

    def peer(self, address: Hashable) -> DatagramPeer | None:
        """The datagram peer at `address`, who thereby becomes the one heard of last."""
        with self._lock:
            found = self._peers.pop(address, None)
            if found is not None:
                self._peers[address] = found
            return found

    def quietest_peer(self) -> DatagramPeer | None:
        with self._lock:
            return next(iter(self._peers.values()), None)

    def all(self) -> list[Connection]:
        """Every open one, oldest first."""
        with self._lock:
            return list(self._by_id.values())
