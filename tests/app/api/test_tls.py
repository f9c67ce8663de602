"""TLS over REST: a definition with a certificate, real clients, and what is shown of them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.certificates import CLIENT_SUBJECT, Certificates
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json
from tests.waiting import DEADLINE_S, eventually

STREAM_KINDS = [
    (transport, concurrency, isolation)
    for transport in ("tcp", "unix")
    for concurrency in ("pool", "threading", "event", "single", "forking")
    for isolation in ("thread", "process")
    if concurrency != "forking" or isolation == "process"
]


@pytest.fixture(scope="module")
def stored(certificates: Certificates, app_thread: AppThread) -> Iterator[Json]:
    """Names of the server's certificate and of the CA, as stored in the shared app."""
    api = app_thread.api
    pair = certificates.server
    pem = "".join(p.read_text(encoding="ascii") for p in (pair.private_key, pair.certificate))
    api.post("certificates", {"name": "tls-own", "pem": pem})
    ca = certificates.ca.certificate.read_text(encoding="ascii")
    api.post("certificates", {"name": "tls-ca", "pem": ca})
    yield {"certificate": "tls-own", "client_ca": "tls-ca"}
    api.delete("certificates/tls-own")
    api.delete("certificates/tls-ca")


@contextmanager
def connected(server: Json, context: ssl.SSLContext) -> Iterator[ssl.SSLSocket]:
    """A client that has shaken hands."""
    address = server["server_address"]
    family = socket.AF_INET if server["transport"] == "tcp" else socket.AF_UNIX
    with socket.socket(family) as plain:
        plain.settimeout(DEADLINE_S)
        plain.connect(address if isinstance(address, str) else (address[0], address[1]))
        with context.wrap_socket(plain, server_hostname="localhost") as client:
            yield client


def ask(client: ssl.SSLSocket, data: bytes) -> bytes:
    client.sendall(data)
    answer = b""
    while len(answer) < len(data) and (part := client.recv(65_536)):
        answer += part
    return answer


def answers(server: Json, context: ssl.SSLContext) -> bool:
    """Whether it serves this client. With TLS 1.3 a client learns of its refusal later."""
    try:
        with connected(server, context) as client:
            return ask(client, b"let me in") == b"let me in"
    except OSError:
        return False


@pytest.mark.parametrize(("transport", "concurrency", "isolation"), STREAM_KINDS)
def test_every_stream_kind_speaks_tls(
    api: Api,
    make_server: MakeServer,
    certificates: Certificates,
    stored: Json,
    transport: str,
    concurrency: str,
    isolation: str,
) -> None:
    tls = {"certificate": stored["certificate"]}
    server = make_server(transport, concurrency=concurrency, isolation=isolation, tls=tls)
    assert server["tls"] == {**tls, "client_ca": None, "client_certificates": "none"}
    with connected(server, certificates.trusting()) as client:
        assert ask(client, b"in the clear to the handler\n") == b"in the clear to the handler\n"

        def shown() -> Json:
            found = api.connections(server["name"])
            assert len(found) == 1, found
            assert found[0]["tls"]
            return found[0]

        connection = eventually(shown)
        cipher = client.cipher()
        assert cipher is not None
        assert connection["tls"] == f"{client.version()} {cipher[0]}"
        assert connection["certificate"] is None
    (row,) = api.finished(server["name"], 1)
    assert (row["preview"], row["bytes_in"], row["bytes_out"]) == (
        "in the clear to the handler\n",
        28,
        28,
    )


def test_a_client_that_shows_a_certificate_is_named_by_it(
    api: Api, make_server: MakeServer, certificates: Certificates, stored: Json
) -> None:
    server = make_server(tls={**stored, "client_certificates": "required"})
    with connected(server, certificates.trusting(certificates.client)) as client:
        assert ask(client, b"it is me\n") == b"it is me\n"
        (connection,) = api.connections(server["name"])
        assert connection["certificate"] == CLIENT_SUBJECT
        page = api.pages.get(f"/servers/{server['name']}").text
        assert "CN=device 7" in page
        assert "TLSv1.3" in page


@pytest.mark.parametrize("shown", ["none", "stranger"])
def test_a_client_without_the_right_certificate_is_turned_away_and_that_is_logged(
    api: Api, make_server: MakeServer, certificates: Certificates, stored: Json, shown: str
) -> None:
    server = make_server(tls={**stored, "client_certificates": "required"})
    pair = certificates.stranger if shown == "stranger" else None
    assert not answers(server, certificates.trusting(pair))
    (row,) = api.finished(server["name"], 1)
    assert row["outcome"] == "handshake"
    assert "certificate" in row["error"]
    page = api.pages.get(f"/requests/{row['id']}").text
    assert "no TLS" in page
    assert "The handler raised" not in page


def test_a_client_that_never_shakes_hands_is_cut_at_its_deadline(
    api: Api, make_server: MakeServer, stored: Json
) -> None:
    tls = {"certificate": stored["certificate"]}
    server = make_server(tls=tls, limits={"handshake_timeout_s": 0.2})
    address = server["server_address"]
    with socket.create_connection((address[0], address[1]), timeout=DEADLINE_S) as silent:
        assert silent.recv(1) == b""
    (row,) = api.finished(server["name"], 1)
    assert (row["outcome"], row["bytes_in"]) == ("handshake", 0)


def test_tls_turned_off_again_is_plain(
    api: Api, make_server: MakeServer, certificates: Certificates, stored: Json
) -> None:
    server = make_server(tls={"certificate": stored["certificate"]})
    path = f"servers/{server['name']}"
    assert api.refused(409, "PATCH", path, json={"tls": None})["field"] == "tls"
    api.post(f"{path}/stop")
    plain = api.patch(path, {"tls": None, "wanted": "running"})
    address = plain["server_address"]
    with socket.create_connection((address[0], address[1]), timeout=DEADLINE_S) as client:
        client.sendall(b"plain")
        assert client.recv(10) == b"plain"


def test_what_a_self_signed_one_serves_is_trusted_by_who_was_given_it(
    api: Api, make_server: MakeServer, name: str
) -> None:
    api.post("certificates/self-signed", {"name": name, "hosts": ["localhost"]})
    server = make_server(tls={"certificate": name})
    address = server["server_address"]
    pem = ssl.get_server_certificate((address[0], address[1]))
    with connected(server, ssl.create_default_context(cadata=pem)) as client:
        assert ask(client, b"hello") == b"hello"
    api.delete(f"servers/{server['name']}")
    api.delete(f"certificates/{name}")
