"""Why a server could not listen, as a sentence with a way out. Knows errno values."""

from __future__ import annotations

import errno

from app.domain import Address, InetAddress, ServerSpec, UnixAddress
from app.errors import AppError, Conflict, FieldError, Forbidden, Invalid, Unavailable
from sockcore.errors import CertificateError, SockcoreError


def written(address: Address) -> str:
    """`127.0.0.1:10001`, `[::1]:10001` or the socket's name."""
    if isinstance(address, UnixAddress):
        return address.name
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"


def refusal(spec: ServerSpec, error: BaseException) -> AppError:
    """What `error`, raised while `spec` was to listen, means to its user."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, CertificateError):
        return Unavailable("certificate_unusable", f"Its TLS cannot be set up: {error}.")
    if isinstance(error, SockcoreError):  # from a process of its own, where it was put in words
        return Unavailable("start_failed", f"It could not start: {error}.")
    if not isinstance(error, OSError):
        return Unavailable("start_failed", f"It could not start: {error!r}.")
    if isinstance(spec.address, InetAddress):
        told = _inet_refusal(spec.address, spec.transport, error)
        if told is not None:
            return told
    elif error.errno == errno.EADDRINUSE:
        return Conflict(
            "socket_name_taken",
            f"There is a socket called {spec.address.name} that this server did not leave there:"
            " somebody else may serve it. Choose another name, or delete that file.",
            "address.name",
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return Unavailable(
            "out_of_descriptors",
            "This process has no file descriptor left to listen with. Stop a server, disconnect"
            " clients, or raise the limit (ulimit -n).",
        )
    return Unavailable(
        "bind_failed", f"{written(spec.address)} cannot be listened on: {error.strerror or error}."
    )


def _inet_refusal(address: InetAddress, transport: str, error: OSError) -> AppError | None:
    where = written(address)
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            "port_in_use",
            f"{where} ({transport}) is in use already. Stop what listens there, choose another"
            " port, or 0 for any that is free.",
            "address.port",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return Forbidden(
            "permission_denied",
            f"{where} needs a privilege that this process lacks. Choose a port from 1024 up, or"
            " grant CAP_NET_BIND_SERVICE.",
            "address.port",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return Invalid(
            FieldError(
                "address_not_here",
                f"{address.host} is not an address of this machine.",
                "address.host",
            )
        )
    return None
