"""Bytes that were made to break something: stored exactly as they came, whatever the transport.

Long ones: a prefix of 64 KiB, the true length and the digest of all of it; both directions.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.clients import DATAGRAMS, STREAMS, TRANSPORTS, Client
from tests.conftest import MakeServer
from tests.hostile import PAYLOADS
from tests.running import Api, Json

KEPT_BYTES = 64 * 1024

SHORT = [payload.data for payload in PAYLOADS]

LONG = [
    b"a" * KEPT_BYTES,
    b"b" * KEPT_BYTES + b"c",
    bytes(i * 7 % 251 for i in range(1024 * 1024)),
]

#: Bytes: the most that one datagram carries.
CARRIES = {"udp": 65_507, "unix-datagram": 128 * 1024}


def check(payload: Json, data: bytes) -> None:
    assert payload["bytes"] == len(data)
    assert payload["sha256"] == hashlib.sha256(data).hexdigest()
    assert base64.b64decode(payload["base64"]) == data[:KEPT_BYTES]
    assert payload["truncated"] is (len(data) > KEPT_BYTES)
    assert payload["text"] == data[:KEPT_BYTES].decode("utf-8", "replace")


def check_echo(api: Api, server: Json, payloads: Sequence[bytes], folder: Path) -> None:
    """Send each as a client of its own; the log must have each, both ways, as it was sent."""
    for data in payloads:
        with Client(server, folder) as client:
            assert client.ask(data) == data
    rows = {row["connection_id"]: row for row in api.finished(server["name"], len(payloads))}
    for number, data in enumerate(payloads, 1):
        detail = api.get(f"requests/{rows[number]['id']}")
        check(detail["received"], data)
        check(detail["sent"], data)
        for direction in ("in", "out"):
            sizes = [c["bytes"] for c in detail["tape"] if c["direction"] == direction]
            assert sum(sizes) == len(data)
        assert detail["preview"] == data[:64].decode("utf-8", "replace")
        assert (detail["outcome"], detail["error"]) == ("ok", None)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_payload_is_stored_byte_by_byte(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    check_echo(api, make_server(transport), SHORT, folder)


@pytest.mark.parametrize("transport", STREAMS)
def test_long_payload_keeps_its_prefix_and_its_digest(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    check_echo(api, make_server(transport), LONG, folder)


@pytest.mark.parametrize("transport", DATAGRAMS)
def test_longest_datagram_is_stored(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    data = bytes(i * 7 % 251 for i in range(CARRIES[transport]))
    server = make_server(transport, handler="discard")
    with Client(server, folder) as client:
        client.send(data)
        (row,) = api.finished(server["name"], 1)
    check(api.get(f"requests/{row['id']}")["received"], data)


def test_longest_udp_datagram_is_answered_whole(
    api: Api, make_server: MakeServer, folder: Path
) -> None:
    check_echo(api, make_server("udp"), [b"d" * CARRIES["udp"]], folder)


@pytest.mark.parametrize("transport", DATAGRAMS)
def test_empty_datagram_is_a_request_too(
    api: Api, make_server: MakeServer, transport: str, folder: Path
) -> None:
    server = make_server(transport)
    with Client(server, folder) as client:
        client.sock.send(b"")
        (row,) = api.finished(server["name"], 1)
    assert (row["bytes_in"], row["bytes_out"], row["outcome"]) == (0, 0, "ok")


def test_unix_datagram_of_a_nameless_client_is_stored(
    api: Api, make_server: MakeServer, folder: Path
) -> None:
    server = make_server("unix-datagram")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"who am i", server["server_address"])
        (row,) = api.finished(server["name"], 1)
    assert (row["peer"], row["bytes_in"], row["outcome"]) == ("unnamed", 8, "ok")


def test_unix_peer_with_a_name_that_is_no_text_is_written(
    api: Api, make_server: MakeServer, folder: Path
) -> None:
    server = make_server("unix-datagram")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.bind(bytes(folder) + b"/\xff<b>\n\nevent: x")
        client.sendto(b"hello", server["server_address"])
        (row,) = api.finished(server["name"], 1)
        (connection,) = api.connections(server["name"])
    assert row["peer"] == connection["peer"]
    assert row["peer"].startswith(f"{folder}/\\xff<b>")
