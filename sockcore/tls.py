"""TLS for stream servers: contexts, the handshake, the goodbye, and who the peer says it is.

Knows `ssl` and sockets. Knows nothing of servers. Imported only where there is TLS, so that
sockcore works on a Python that was built without.
"""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from sockcore.errors import CertificateError

__all__ = [
    "ClientCertificates",
    "describe",
    "handshake",
    "handshake_failure",
    "handshake_step",
    "peer_certificate_subject",
    "reload_certificate",
    "say_goodbye",
    "server_context",
    "wrap",
]

ClientCertificates = Literal["none", "optional", "required"]
Password = str | bytes | Callable[[], str | bytes]

_VERIFY = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}

#: Seconds the goodbye may wait for room in a full send buffer.
_GOODBYE_S = 1.0

#: One that makes no descriptor of its own.
_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)

_INTERNET = (socket.AF_INET, socket.AF_INET6)

#: The short names of RFC 4514, section 3.
_SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}


# -- contexts -----------------------------------------------------------------------------


def server_context(
    certificate: Path | str,
    private_key: Path | str | None = None,
    *,
    password: Password | None = None,
    client_ca: Path | str | None = None,
    client_certificates: ClientCertificates = "none",
    alpn: Sequence[str] = (),
) -> ssl.SSLContext:
    """A context for `TCPServer.ssl_context`: TLS 1.2 and up.

    `certificate` is a PEM file: the server's certificate first, then those between it and the
    root. `private_key` is its key; without one it is in the same file. `client_ca` are the
    certificates that those of clients are checked with; they are asked for unless
    `client_certificates` is "none". `alpn` are protocol names, the preferred one first.

    Raises: CertificateError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A client that ends without a goodbye, or a server that stops, ends reading only: without
    # this OpenSSL 3 would not let the last answer out.
    context.options |= ssl.OP_NO_RENEGOTIATION | getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    reload_certificate(context, certificate, private_key, password=password)
    if client_certificates != "none":
        if client_ca is None:
            raise CertificateError("client certificates need a CA to check them with: client_ca")
        _load_client_ca(context, client_ca)
    context.verify_mode = _VERIFY[client_certificates]
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def reload_certificate(
    context: ssl.SSLContext,
    certificate: Path | str,
    private_key: Path | str | None = None,
    *,
    password: Password | None = None,
) -> None:
    """Have `context` present this certificate from the next connection on.

    Raises: CertificateError; a certificate it had before stays when a file cannot be read.
    Thread: any.
    """
    key = certificate if private_key is None else private_key
    _check_readable("certificate", certificate)
    _check_readable("private key", key)

    def no_password() -> NoReturn:  # OpenSSL would ask on the terminal
        raise CertificateError(f"the private key {key} is encrypted and needs a password")

    # Into a context of its own first: one that does not fit would spoil what the given one has.
    for target in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
        try:
            target.load_cert_chain(certificate, private_key, password or no_password)
        except (OSError, ValueError) as error:
            told = _why_not(error, certificate, key, encrypted=password is not None)
            raise CertificateError(told) from error


def _check_readable(what: str, path: Path | str) -> None:
    try:
        with open(path, "rb"):
            pass
    except OSError as error:
        raise CertificateError(f"the {what} {path} cannot be read: {error.strerror}") from error


def _why_not(
    error: Exception, certificate: Path | str, key: Path | str, *, encrypted: bool
) -> str:
    """OpenSSL itself says little more than that something failed."""
    if getattr(error, "reason", None) == "KEY_VALUES_MISMATCH":
        return f"the private key {key} does not belong to the certificate {certificate}"
    if b"-----BEGIN CERTIFICATE-----" not in Path(certificate).read_bytes():
        return f"{certificate} holds no certificate in PEM form"
    if b"PRIVATE KEY-----" not in Path(key).read_bytes():
        return f"{key} holds no private key in PEM form"
    if encrypted:
        return f"the private key {key} cannot be read with this password: {error}"
    return f"the certificate {certificate} with the key {key} cannot be used: {error}"


def _load_client_ca(context: ssl.SSLContext, client_ca: Path | str) -> None:
    _check_readable("client CA", client_ca)
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ValueError) as error:
        raise CertificateError(f"{client_ca} holds no CA certificate in PEM form") from error


# -- one connection -----------------------------------------------------------------------


def wrap(context: ssl.SSLContext, request: socket.socket) -> ssl.SSLSocket:
    """Take over an accepted socket; nothing is read or written yet.

    Raises: OSError when the peer is gone already, ValueError for a context of clients. `request`
    is the caller's to close.
    """
    if context.protocol is ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError("ssl_context is one of clients; servers need ssl.PROTOCOL_TLS_SERVER")
    # Before 3.13 wrap_socket() may lose the descriptor of one that is gone.
    request.getpeername()
    if request.family in _INTERNET:
        # The session tickets of TLS 1.3 go out right before the first answer, which Nagle would
        # hold back until the client acknowledges them: 40 ms for every connection.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)


def handshake(sock: Any, timeout_s: float | None) -> None:
    """The whole handshake, within `timeout_s` seconds. The socket's own timeout stays.

    Does nothing for a socket that is not TLS, or that has shaken hands already.
    Raises: OSError (ssl.SSLError and TimeoutError are), ValueError when it was closed meanwhile.
    """
    if not isinstance(sock, ssl.SSLSocket):
        return
    timeout = sock.gettimeout()
    sock.settimeout(timeout_s)
    try:
        sock.do_handshake()
    finally:
        sock.settimeout(timeout)


def handshake_step(sock: ssl.SSLSocket) -> Literal["done", "read", "write"]:
    """One step of the handshake of a non-blocking socket.

    Returns: "done", or what the socket must be ready for before the next step.
    Raises: as handshake(); it failed.
    """
    try:
        sock.do_handshake()
    except ssl.SSLWantReadError:
        return "read"
    except ssl.SSLWantWriteError:
        return "write"
    return "done"


def handshake_failure(error: Exception) -> str:
    """Why a handshake failed, for people: `TLS handshake: http request`."""
    if isinstance(error, TimeoutError):
        return "TLS handshake: not done in time"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return "TLS handshake: the client broke it off"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS handshake: client certificate: {error.verify_message}"
    reason = getattr(error, "reason", None)
    return f"TLS handshake: {reason.replace('_', ' ').lower() if reason else error}"


def say_goodbye(sock: Any) -> None:
    """Send close_notify, so that the peer knows that nothing was cut off. RFC 8446, 6.1.

    The peer's own is not waited for. Where the socket is blocking and its buffer full, waits at
    most a second for room. Afterwards the socket is non-blocking and good for closing only.
    Never raises; does nothing for a socket that is not TLS (any more).
    """
    if not isinstance(sock, ssl.SSLSocket):
        return
    try:
        may_wait = sock.gettimeout() != 0
        sock.settimeout(0)
        if not _unwrapped(sock) and may_wait:
            with _Selector() as selector:
                selector.register(sock, selectors.EVENT_WRITE)
                selector.select(_GOODBYE_S)
            _unwrapped(sock)
    except (OSError, ValueError):
        pass  # not shaken hands, closed or broken off: there is nobody to say it to


def _unwrapped(sock: ssl.SSLSocket) -> bool:
    """Returns: whether close_notify is on its way."""
    try:
        sock.unwrap()
    except ssl.SSLWantReadError:
        return True  # only the peer's is missing
    except ssl.SSLWantWriteError:
        return False
    return True


# -- shown --------------------------------------------------------------------------------


def describe(sock: ssl.SSLSocket) -> str | None:
    """`TLSv1.3 TLS_AES_256_GCM_SHA384`; None before the handshake."""
    cipher = sock.cipher()
    return f"{sock.version()} {cipher[0]}" if cipher is not None else None


def peer_certificate_subject(sock: ssl.SSLSocket) -> str | None:
    """The subject of the certificate that the peer showed, checked, as in RFC 4514:
    `CN=device 7,O=Acme\\, Inc.,C=CH`. None when it showed none; empty when it has no subject."""
    certificate: dict[str, Any] | None = sock.getpeercert()
    if not certificate:
        return None
    names = reversed(certificate.get("subject", ()))
    return ",".join("+".join(f"{_SHORT.get(k, k)}={_escaped(v)}" for k, v in rdn) for rdn in names)


def _escaped(value: str) -> str:
    """RFC 4514, section 2.4; control characters too, since this is shown."""
    text = "".join(_escape(char) for char in value)
    if text.startswith(("#", " ")):
        text = "\\" + text
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return text


def _escape(char: str) -> str:
    if char in '"+,;<>\\':
        return "\\" + char
    if char < " " or char == "\x7f":
        return f"\\{ord(char):02X}"
    return char
