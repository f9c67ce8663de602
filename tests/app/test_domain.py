from __future__ import annotations

import pytest

from app.domain import Concurrency, InetAddress, Limits, ServerSpec, Transport


@pytest.mark.parametrize(
    ("transport", "concurrency", "max_connections", "expected"),
    [
        ("tcp", "pool", 30, 30),
        ("unix", "event", 30, 30),
        ("tcp", "forking", 30, 20),
        ("tcp", "forking", 3, 3),
        ("tcp", "single", 30, 1),
        ("udp", "single", 30, 30),
        ("unix-datagram", "forking", 30, 30),
    ],
)
def test_how_many_connections_can_be_open(
    transport: Transport, concurrency: Concurrency, max_connections: int, expected: int
) -> None:
    spec = ServerSpec(
        name="hall",
        transport=transport,
        concurrency=concurrency,
        handler="echo",
        address=InetAddress("127.0.0.1", 0),
        limits=Limits(max_connections=max_connections, max_children=20),
    )
    assert spec.most_connections == expected
