from __future__ import annotations

import pytest

from app.domain import Concurrency, InetAddress, Limits, ServerSpec, Transport


@pytest.mark.parametrize(
    ("transport", "concurrency", "expected"),
    [
        ("tcp", "pool", 30),
        ("unix", "event", 30),
        ("tcp", "forking", 20),
        ("tcp", "single", 1),
        ("udp", "single", 30),
        ("unix-datagram", "forking", 30),
    ],
)
def test_how_many_connections_can_be_open(
    transport: Transport, concurrency: Concurrency, expected: int
) -> None:
    spec = ServerSpec(
        name="hall",
        transport=transport,
        concurrency=concurrency,
        handler="echo",
        address=InetAddress("127.0.0.1", 0),
        limits=Limits(max_connections=30, max_children=20),
    )
    assert spec.most_connections == expected


def test_a_forking_server_has_no_more_connections_than_its_limit() -> None:
    limits = Limits(max_connections=3, max_children=20)
    address = InetAddress("127.0.0.1", 0)
    spec = ServerSpec(
        name="hall",
        transport="tcp",
        concurrency="forking",
        handler="echo",
        address=address,
        limits=limits,
    )
    assert spec.most_connections == 3
