"""The table of those who are connected."""

from __future__ import annotations

import threading

from sockcore.connections import Connection, DatagramPeer
from sockcore.limits import Limits
from sockcore.streams import Stream
from sockcore.table import ConnectionTable
from tests.sockcore.records import datagrams, stream


def table_of(*connections: Stream | DatagramPeer) -> ConnectionTable:
    table = ConnectionTable(threading.Lock())
    for connection in connections:
        if isinstance(connection, Stream):
            assert table.admit_locked(connection, Limits()) is None
        else:
            table.add(connection)
    return table


def removed(table: ConnectionTable, connection: Connection) -> bool:
    """In a test that has one thread."""
    return table.remove_locked(connection)


def test_table_lists_the_oldest_first_and_finds_by_id() -> None:
    first, second, third = (stream(n) for n in (1, 2, 3))
    table = table_of(first, second, third)
    assert removed(table, second)
    assert not removed(table, second)
    assert table.all() == [first, third]
    assert len(table) == 2
    assert table.get(3) is third
    assert table.get(2) is None


def test_table_gives_copies() -> None:
    table = table_of(stream())
    table.all().clear()
    assert len(table) == 1


def test_peer_heard_of_is_the_quietest_no_more() -> None:
    first, second = datagrams(1), datagrams(2)
    table = table_of(first, second)
    assert table.quietest_peer() is first
    assert table.peer(first.address) is first
    assert table.quietest_peer() is second
    assert removed(table, second)
    assert table.quietest_peer() is first
    assert table.peer(second.address) is None
    assert removed(table, first)
    assert table.quietest_peer() is None


def test_streams_are_no_datagram_peers() -> None:
    connection = stream()
    table = table_of(connection)
    assert table.quietest_peer() is None
    assert table.peer(connection.address) is None


def test_peer_without_an_address_is_a_peer() -> None:
    unnamed = DatagramPeer(1, None)
    table = table_of(unnamed)
    assert table.peer(None) is unnamed
