from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.export.endpoints import endpoint, endpoints
from app.export.packets import Endpoint
from tests.app.export.samples import request, requests


def at(host: str, port: int) -> Endpoint:
    return Endpoint(ip_address(host), port)


def pair(**changes: object) -> tuple[Endpoint, Endpoint]:
    return endpoints(request(1, **changes).summary)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:50122", at("127.0.0.1", 50122)),
        ("[::1]:0", at("::1", 0)),
        ("[fe80::1%eth0]:65535", at("fe80::1%eth0", 65535)),
        ("127.0.0.1:65536", None),
        ("127.0.0.1", None),
        ("127.0.0.1:", None),
        ("127.0.0.1:٣", None),
        ("::1:80", None),
        ("[::1]:80\n", None),
        ("[127.0.0.1:80", None),
        ("localhost:80", None),
        ("pid 4242", None),
        ("unnamed", None),
        ("", None),
    ],
)
def test_an_address_is_read_as_it_is_written(text: str, found: Endpoint | None) -> None:
    assert endpoint(text) == found


@pytest.mark.parametrize(
    ("peer", "address", "server"),
    [
        ("192.0.2.1:5000", "192.0.2.9:80", at("192.0.2.9", 80)),
        ("192.0.2.1:5000", "0.0.0.0:80", at("127.0.0.1", 80)),
        ("192.0.2.1:5000", "[::]:80", at("127.0.0.1", 80)),
        ("192.0.2.1:5000", "[2001:db8::9]:80", at("127.0.0.1", 80)),
        ("[2001:db8::1]:5000", "[2001:db8::9]:80", at("2001:db8::9", 80)),
        ("[2001:db8::1]:5000", "[::]:80", at("::1", 80)),
    ],
)
def test_a_server_is_where_it_listens_or_on_the_loopback_of_its_peer(
    peer: str, address: str, server: Endpoint
) -> None:
    assert pair(peer=peer, address=address) == (endpoint(peer), server)


def test_a_server_of_an_old_log_has_the_loopback_and_a_port_of_its_own() -> None:
    client, server = pair(peer="[2001:db8::1]:5000", address="", transport="")
    assert (client, str(server.host)) == (at("2001:db8::1", 5000), "::1")
    other = pair(peer="[2001:db8::1]:5000", address="", transport="", server="other")[1]
    assert server.port != other.port
    assert min(server.port, other.port) >= 49_152


@pytest.mark.parametrize("transport", ["unix", "unix-datagram"])
def test_a_socket_file_is_never_read_as_an_address(transport: str) -> None:
    client, server = pair(transport=transport, peer="192.0.2.1:5000", address="192.0.2.9:80")
    assert client == at("127.0.0.2", 49_153)
    assert server.host == ip_address("127.0.0.1")


def test_stand_ins_of_connections_differ() -> None:
    numbers = [0, 1, 16_383, 16_384, 16_385, 10_000_000, 2**40]
    clients = {pair(transport="unix", connection_id=number)[0] for number in numbers}
    assert len(clients) == len(numbers)
    assert pair(transport="unix", connection_id=16_384)[0] == at("127.0.0.3", 49_152)


def test_two_ends_with_one_address_are_kept_apart() -> None:
    client, server = pair(peer="127.0.0.1:80", address="0.0.0.0:80")
    assert (str(client.host), str(server.host)) == ("127.0.0.2", "127.0.0.1")


@given(requests().map(lambda detail: detail.summary))
def test_any_row_has_two_endpoints_of_one_version(row: object) -> None:
    client, server = endpoints(row)  # type: ignore[arg-type]
    assert client.host.version == server.host.version
    assert client != server
    assert 0 <= client.port <= 65_535
    assert 0 <= server.port <= 65_535


@given(st.text())
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert endpoint(text) is None or ":" in text
