"""How a server is to encrypt: the `tls` of a definition, read from what was asked for.

Asks which certificates there are; reads none of them. Knows no server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.domain import CLIENT_CERTIFICATES, DATAGRAMS, Tls, Transport
from app.errors import AppError
from app.services.fields import FieldReader

TLS_KEYS = ("certificate", "client_ca", "client_certificates")

#: Raises AppError when the certificate of that name cannot be used; with `key`, as our own.
Check = Callable[[str, bool], None]


def read_tls(read: FieldReader, raw: object, check: Check) -> Tls | None:
    """What `raw`, null or an object, asks for. What is wrong is noted in `read`."""
    if raw is None:
        return None
    given = read.known(raw, "tls", TLS_KEYS)
    if not isinstance(raw, Mapping):
        return None
    certificate = read.text(given, "tls.certificate")
    client_ca = read.text(given, "tls.client_ca") if given.get("client_ca") is not None else None
    clients = (
        read.choice(given, "tls.client_certificates", CLIENT_CERTIFICATES)
        if "client_certificates" in given
        else CLIENT_CERTIFICATES[0]
    )
    _check(read, check, "tls.certificate", certificate, own=True)
    _check(read, check, "tls.client_ca", client_ca, own=False)
    if clients not in (None, "none") and client_ca is None:
        detail = "Client certificates are checked with a CA: name its certificate."
        read.wrong("missing_field", detail, "tls.client_ca")
    if certificate is None or clients is None:
        return None
    return Tls(certificate=certificate, client_ca=client_ca, client_certificates=clients)


def check_transport(read: FieldReader, transport: Transport | None, tls: Tls | None) -> None:
    """TLS runs over streams."""
    if tls is not None and transport in DATAGRAMS:
        detail = f"A {transport} server has no TLS, which runs over streams: set tls to null."
        read.wrong("tls_needs_stream", detail, "tls")


def _check(read: FieldReader, check: Check, path: str, name: str | None, *, own: bool) -> None:
    if name is None:
        return
    try:
        check(name, own)
    except AppError as refusal:
        read.wrong(refusal.code, refusal.detail, path)
