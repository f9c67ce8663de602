"""R2: two hundred clients that come while the server stalls are answered within a second.

None is turned away and none has to ask again: a queue too short for them would drop the first
packet of most, and a client sends it again after a second, two, four.
"""

from __future__ import annotations

import socket
import struct
import time
from contextlib import ExitStack

import pytest

from tests.promises.serving import CONCURRENT, Served, client_of, short_and_full, tcp
from tests.waiting import eventually

CLIENTS = 200

#: Seconds that the slowest may wait: three times what is promised.
SLOWEST_S = 3 * 1.0

#: struct tcp_info of <linux/tcp.h>: where tcpi_total_retrans is, and enough of it.
_TOTAL_RETRANS = 100
_TCP_INFO_BYTES = 128


def sent_again(client: socket.socket) -> int:
    """Packets that this client had to send more than once."""
    raw = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    return int(struct.unpack_from("=I", raw, _TOTAL_RETRANS)[0])


@short_and_full("rounds", 1, 20)
@pytest.mark.parametrize("model", ["single", *CONCURRENT])
def test_r02_burst(model: str, rounds: int) -> None:
    with Served(
        tcp(model), "Answer", run="bare", attributes={"allow_reuse_address": True}
    ) as server:
        for _ in range(rounds):
            server.ask("stop")
            server.listen()
            with ExitStack() as stack:
                clients = [stack.enter_context(client_of(server.address)) for _ in range(CLIENTS)]
                for number, client in enumerate(clients):
                    client.sendall(b"%d" % number)
                began = time.monotonic()
                server.begin()
                answers = [client.recv(99) for client in clients]
                assert time.monotonic() - began < SLOWEST_S
                assert answers == [b"%d" % number for number in range(CLIENTS)]
                assert sum(map(sent_again, clients)) == 0


def test_r02_a_short_queue_would_show() -> None:
    """What is counted above does tell: with the stdlib's queue of five, packets are sent again."""
    with Served(
        tcp("single"), "Answer", run="bare", attributes={"request_queue_size": 5}
    ) as server:
        server.ask("stop")
        server.listen()
        with ExitStack() as stack:
            clients = [stack.enter_context(socket.socket()) for _ in range(20)]
            for client in clients:
                client.setblocking(False)
                client.connect_ex(server.address)
            eventually(lambda: sum(map(sent_again, clients)))
