"""One IPv6 server for clients of both kinds, and how they are written."""

from __future__ import annotations

import socket

import pytest

import sockcore
from sockcore import ConnectionOpened, ConnectionRefused, Limits
from sockcore.peers import host_of, peer_label
from tests.sockcore.serving import DEADLINE_S, connect, read_all
from tests.sockcore.watching import Echo, watched
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")


class Dual(sockcore.ThreadingTCPServer):
    address_family = socket.AF_INET6
    dual_stack: bool | None = True


class DualUDP(sockcore.ThreadingUDPServer):
    address_family = socket.AF_INET6
    dual_stack: bool | None = True


def test_both_are_served_and_each_is_written_its_way() -> None:
    with watched(lambda: Dual(("::", 0), Echo)) as w:
        port = w.server.address[1]
        with (
            connect(("127.0.0.1", port)) as four,
            connect(("::1", port), socket.AF_INET6) as six,
        ):
            for client in (four, six):
                client.sendall(b"x")
                assert client.recv(1) == b"x"
            opened = {event.peer for event in w.heard.wait_for(ConnectionOpened, 2)}
            assert opened == {
                f"127.0.0.1:{four.getsockname()[1]}",
                f"[::1]:{six.getsockname()[1]}",
            }


def test_ipv4_client_counts_by_its_own_address() -> None:
    limits = Limits(max_connections_per_address=1)
    with watched(lambda: Dual(("::", 0), Echo), limits=limits) as w:
        port = w.server.address[1]
        with (
            connect(("127.0.0.1", port)),
            connect(("::1", port), socket.AF_INET6),
            connect(("127.0.0.1", port)) as third,
        ):
            assert read_all(third) == b""
            (refused,) = w.heard.wait_for(ConnectionRefused)
            assert refused.peer.startswith("127.0.0.1:")
            eventually(lambda: w.server.totals().connections == 2)


def test_datagrams_of_both() -> None:
    with watched(lambda: DualUDP(("::", 0), Echo)) as w:
        port = w.server.address[1]
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as client:
                client.settimeout(DEADLINE_S)
                client.sendto(b"x", (host, port))
                assert client.recv(9) == b"x"
        peers = [event.peer.rpartition(":")[0] for event in w.heard.wait_for(ConnectionOpened, 2)]
        assert peers == ["127.0.0.1", "[::1]"]


def test_ipv6_alone_turns_the_others_away() -> None:
    class Alone(Dual):
        dual_stack = False

    with watched(lambda: Alone(("::", 0), Echo)) as w:
        port = w.server.address[1]
        with connect(("::1", port), socket.AF_INET6) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        with pytest.raises(ConnectionRefusedError):
            connect(("127.0.0.1", port))


def test_unset_it_is_as_the_system_has_it() -> None:
    class Unset(Dual):
        dual_stack = None

    with socket.socket(socket.AF_INET6) as plain, Unset(("::", 0), Echo) as server:
        plain.bind(("::", 0))
        asked = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        assert server.socket.getsockopt(*asked) == plain.getsockopt(*asked)
    assert sockcore.TCPServer.dual_stack is None


def test_for_ipv4_it_means_nothing() -> None:
    class Four(sockcore.TCPServer):
        dual_stack = True

    with Four(("127.0.0.1", 0), Echo) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "label", "host"),
    [
        (("::ffff:192.0.2.1", 7, 0, 0), "192.0.2.1:7", "192.0.2.1"),
        (("::ffff:1:2", 7, 0, 0), "[::ffff:1:2]:7", "::ffff:1:2"),
        (("2001:db8::1", 7, 0, 0), "[2001:db8::1]:7", "2001:db8::1"),
        (("192.0.2.1", 7), "192.0.2.1:7", "192.0.2.1"),
        ("/run/client", "/run/client", None),
    ],
)
def test_mapped_addresses(address: object, label: str, host: str | None) -> None:
    assert peer_label(address) == label
    assert host_of(address) == host
