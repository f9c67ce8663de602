"""What a server context accepts, demands and shows; and the sentences when a file is wrong."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import RequestFinished, ServerStopped
from sockcore.errors import CertificateError
from sockcore.tls import reload_certificate, server_context
from tests.certificates import CLIENT_SUBJECT, Certificates
from tests.sockcore.secure import context_of, read_to_end, tls_caller, tls_watched
from tests.sockcore.watching import Echo, caller, factory, watched


class Shown(sockcore.StreamRequestHandler):
    """Answers with what it knows of the connection's TLS."""

    def handle(self) -> None:
        alpn = self.connection.selected_alpn_protocol()  # type: ignore[attr-defined]
        self.wfile.write(f"{alpn}".encode())


@pytest.mark.parametrize("shown", ["client", None])
@pytest.mark.parametrize("wanted", ["none", "optional", "required"])
def test_client_certificate(
    wanted: str, shown: str | None, certificates: Certificates, socket_dir: Path
) -> None:
    context = context_of(
        certificates,
        client_ca=certificates.ca.certificate,
        client_certificates=wanted,
    )
    client_context = certificates.trusting(certificates.client if shown else None)
    subject = CLIENT_SUBJECT if shown and wanted != "none" else None
    with tls_watched(certificates, socket_dir, ssl_context=context) as w:
        if wanted == "required" and not shown:
            # In TLS 1.3 the client learns of it when it reads.
            denied = pytest.raises(ssl.SSLError, match="certificate required")
            with tls_caller(w.server, client_context) as client, denied:
                client.recv(1)
            (ended,) = w.heard.wait_for(RequestFinished)
            assert ended.outcome == "handshake"
            assert ended.error == "TLS handshake: peer did not return a certificate"
            return
        with tls_caller(w.server, client_context) as client:
            client.sendall(b"hi")
            assert client.recv(9) == b"hi"
            (connection,) = w.server.connections()
            assert connection.certificate == subject
            assert connection.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"


@pytest.mark.parametrize("shown", ["stranger", "expired"])
def test_client_certificate_that_does_not_hold(
    shown: str, certificates: Certificates, socket_dir: Path
) -> None:
    context = context_of(
        certificates, client_ca=certificates.ca.certificate, client_certificates="optional"
    )
    why = {
        "stranger": "unable to get local issuer certificate",
        "expired": "certificate has expired",
    }
    with tls_watched(certificates, socket_dir, ssl_context=context) as w:
        client_context = certificates.trusting(getattr(certificates, shown))
        with tls_caller(w.server, client_context) as client, pytest.raises(ssl.SSLError):
            client.recv(1)
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.error == f"TLS handshake: client certificate: {why[shown]}"


def test_client_that_does_not_trust_the_server(
    certificates: Certificates, socket_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    expired = server_context(certificates.expired.certificate, certificates.expired.private_key)
    with tls_watched(certificates, socket_dir, ssl_context=expired) as w:
        with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
            tls_caller(w.server, certificates.trusting())
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.received.total, ended.sent.total) == ("handshake", 0, 0)
    assert capfd.readouterr().err == ""


def old_client(certificates: Certificates) -> ssl.SSLContext:
    """One that can speak TLS 1.1 and nothing newer."""
    context = certificates.trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = ssl.TLSVersion.TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def test_tls_1_1_is_refused(certificates: Certificates, socket_dir: Path) -> None:
    context = context_of(certificates)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tls_watched(certificates, socket_dir, ssl_context=context) as w:
        with pytest.raises(ssl.SSLError, match="protocol version"):
            tls_caller(w.server, old_client(certificates))
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.error == "TLS handshake: unsupported protocol"
        # It was the version: with the same client it works once that is allowed.
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = ssl.TLSVersion.TLSv1_1
        with tls_caller(w.server, old_client(certificates)) as client:
            assert client.version() == "TLSv1.1"


def test_tls_1_2_is_spoken(certificates: Certificates, socket_dir: Path) -> None:
    client_context = certificates.trusting()
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        tls_watched(certificates, socket_dir) as w,
        tls_caller(w.server, client_context) as client,
    ):
        client.sendall(b"hi")
        assert client.recv(9) == b"hi"
        (connection,) = w.server.connections()
        assert (connection.tls or "").startswith("TLSv1.2 ECDHE-")


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["mqtt", "h2"], "mqtt"), (["smtp"], "None")],
)
def test_alpn(
    offered: list[str], chosen: str, certificates: Certificates, socket_dir: Path
) -> None:
    context = context_of(certificates, alpn=["mqtt", "http/1.1"])
    client_context = certificates.trusting()
    client_context.set_alpn_protocols(offered)
    with (
        tls_watched(certificates, socket_dir, Shown, ssl_context=context) as w,
        tls_caller(w.server, client_context) as client,
    ):
        assert read_to_end(client) == chosen.encode()
        assert client.selected_alpn_protocol() == (None if chosen == "None" else chosen)


def test_server_name_is_passed_on(certificates: Certificates, socket_dir: Path) -> None:
    asked: list[str | None] = []
    context = context_of(certificates)
    other = server_context(certificates.renewed.certificate, certificates.renewed.private_key)

    def choose(sock: ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
        asked.append(name)
        sock.context = other

    context.sni_callback = choose  # type: ignore[assignment]  # of an SSLSocket, as it is here
    with (
        tls_watched(certificates, socket_dir, ssl_context=context) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        assert organization(client) == "Renewed"
    assert asked == ["localhost"]


def organization(client: ssl.SSLSocket) -> str | None:
    """Of the certificate that the server showed."""
    certificate: Any = client.getpeercert()
    return {name: value for ((name, value),) in certificate["subject"]}.get("organizationName")


def test_reloaded_certificate_is_shown_from_the_next_connection_on(
    certificates: Certificates, socket_dir: Path
) -> None:
    context = context_of(certificates)
    with (
        tls_watched(certificates, socket_dir, ssl_context=context) as w,
        tls_caller(w.server, certificates.trusting()) as before,
    ):
        assert organization(before) is None
        reload_certificate(
            context, certificates.renewed.certificate, certificates.renewed.private_key
        )
        with tls_caller(w.server, certificates.trusting()) as after:
            assert organization(after) == "Renewed"
        with pytest.raises(CertificateError):
            reload_certificate(
                context, certificates.server.certificate, certificates.ca.private_key
            )
        with tls_caller(w.server, certificates.trusting()) as still:
            assert organization(still) == "Renewed"
        before.sendall(b"goes on")
        assert before.recv(9) == b"goes on"


def test_without_a_context_nothing_is_encrypted(socket_dir: Path) -> None:
    assert sockcore.TCPServer.ssl_context is None
    with watched(factory("tcp-threading", Echo, socket_dir)) as w, caller(w.server) as client:
        client.sendall(b"plain")
        assert client.recv(9) == b"plain"
        (connection,) = w.server.connections()
        assert (connection.tls, connection.certificate) == (None, None)


def test_context_of_clients_stops_the_server_with_its_cause(
    certificates: Certificates, socket_dir: Path
) -> None:
    context = certificates.trusting()
    with (
        tls_watched(certificates, socket_dir, ssl_context=context) as w,
        caller(w.server) as client,
    ):
        assert client.recv(9) == b""
        (stopped,) = w.heard.wait_for(ServerStopped)
        assert stopped.cause == (
            "ValueError: ssl_context is one of clients; servers need ssl.PROTOCOL_TLS_SERVER"
        )


# -- files --------------------------------------------------------------------------------


def test_certificate_and_key_in_one_file(certificates: Certificates, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    pair = certificates.server
    both.write_bytes(pair.private_key.read_bytes() + pair.certificate.read_bytes())
    assert server_context(both).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("password", ["open sesame", b"open sesame", lambda: "open sesame"])
def test_encrypted_key(
    password: str | bytes | Callable[[], str], certificates: Certificates
) -> None:
    pair = certificates.encrypted
    server_context(pair.certificate, pair.private_key, password=password)


def test_encrypted_key_is_not_asked_about_on_the_terminal(certificates: Certificates) -> None:
    pair = certificates.encrypted
    with pytest.raises(CertificateError, match="is encrypted and needs a password"):
        server_context(pair.certificate, pair.private_key)
    with pytest.raises(CertificateError, match="cannot be read with this password"):
        server_context(pair.certificate, pair.private_key, password="close")


def test_sentences(certificates: Certificates, tmp_path: Path) -> None:
    pair, missing, empty = certificates.server, tmp_path / "missing", tmp_path / "empty"
    empty.touch()
    told = {
        (missing, None): f"the certificate {missing} cannot be read: No such file or directory",
        (tmp_path, None): f"the certificate {tmp_path} cannot be read: Is a directory",
        (pair.certificate, missing): f"the private key {missing} cannot be read: No such file",
        (empty, pair.private_key): f"{empty} holds no certificate in PEM form",
        (pair.certificate, empty): f"{empty} holds no private key in PEM form",
        (pair.certificate, None): f"{pair.certificate} holds no private key in PEM form",
        (pair.certificate, certificates.ca.private_key): (
            f"the private key {certificates.ca.private_key} does not belong to "
            f"the certificate {pair.certificate}"
        ),
    }
    for (certificate, key), sentence in told.items():
        with pytest.raises(CertificateError) as raised:
            server_context(certificate, key)
        assert str(raised.value).startswith(sentence)
    assert issubclass(CertificateError, sockcore.SockcoreError)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_sentence_for_an_unreadable_key(certificates: Certificates, tmp_path: Path) -> None:
    key = tmp_path / "locked.key"
    key.write_bytes(certificates.server.private_key.read_bytes())
    key.chmod(0)
    with pytest.raises(CertificateError, match="cannot be read: Permission denied"):
        server_context(certificates.server.certificate, key)


def test_sentences_for_the_ca_of_clients(certificates: Certificates, tmp_path: Path) -> None:
    pair, empty = certificates.server, tmp_path / "empty"
    empty.touch()
    for client_ca, sentence in {
        None: "client certificates need a CA",
        tmp_path / "missing": "the client CA .* cannot be read: No such file",
        empty: "holds no CA certificate in PEM form",
    }.items():
        with pytest.raises(CertificateError, match=sentence):
            server_context(
                pair.certificate,
                pair.private_key,
                client_ca=client_ca,
                client_certificates="required",
            )
