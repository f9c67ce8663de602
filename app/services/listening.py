"""From plain values to a server that listens, in whichever process it is to run.

The values of a `Listener` cross to another process as they are. What is imported here is imported
by every process that hosts a server, so it stays light: no web framework, no database.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sockcore
from app.domain import ClientCertificates, Concurrency, OptionValue, Transport
from app.handlers.registry import find_handler
from app.services.kinds import KIND_CLASSES
from app.services.socket_files import SOCKET_MODE

log = logging.getLogger("app.servers")

#: Bytes of the longest datagram taken; UDP carries at most 65,507, a local one up to the
#: kernel's buffer, 208 KiB unless tuned.
_MAX_PACKET = {"udp": 65_535, "unix-datagram": 256 * 1024}


#: Models whose threads `max_threads` bounds; `threading` has one for each, however many.
_POOLED = ("pool", "event")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Paths of PEM files."""

    certificate: str  # with its private key
    client_ca: str | None
    client_certificates: ClientCertificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A server to be: all that it takes to make one."""

    transport: Transport
    concurrency: Concurrency
    handler: str
    handler_options: Mapping[str, OptionValue]
    handlers_dir: str  # where the user's own handlers are
    host: str = ""  # an IP address; empty for a socket file
    ports: tuple[tuple[int, int], ...] = ()  # (first, last): the first free one of them
    path: str = ""  # of a socket file
    backlog: int
    max_threads: int
    max_queue: int
    max_children: int
    tls: TlsFiles | None = None

    def values(self) -> dict[str, Any]:
        """As built-in types only: what another process is told."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Listener:
        """What `values()` was made from."""
        tls = values["tls"]
        return cls(**{**values, "tls": None if tls is None else TlsFiles(**tls)})

    @property
    def family(self) -> socket.AddressFamily:
        if self.path:
            return socket.AF_UNIX
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    def addresses(self) -> Iterator[Any]:
        """Where it may be bound, the preferred one first."""
        if self.path:
            yield self.path
        for first, last in self.ports:
            yield from ((self.host, port) for port in range(first, last + 1))


def listen(listener: Listener, handler: type) -> sockcore.TCPServer:
    """A server, bound and listening, that answers with `handler`.

    Raises: OSError when none of its addresses can be had; CertificateError.
    """
    server_class = _server_class(listener)
    for address in listener.addresses():
        try:
            return server_class(address, handler)
        except OSError as error:
            refused = error
            if error.errno != errno.EADDRINUSE:
                raise
    if len(listener.ports) == 1 and listener.ports[0][0] == listener.ports[0][1]:
        raise refused
    raise OSError(errno.EADDRINUSE, "no allowed port is free")


def listen_here(values: Mapping[str, Any]) -> sockcore.TCPServer:
    """The same in a process of its own, which has no registry yet, from `Listener.values()`.

    Raises: as `listen`; Invalid when its handler cannot be used any more.
    """
    listener = Listener.of(values)
    handler = find_handler(
        listener.handlers_dir, listener.handler, listener.transport, listener.handler_options
    )
    return listen(listener, handler)


def _server_class(listener: Listener) -> Callable[..., sockcore.TCPServer]:
    base = KIND_CLASSES[listener.transport, listener.concurrency]
    attributes = {
        "address_family": listener.family,
        # A port whose last connections still wait out their end can be listened on at once.
        # Not for datagrams: there it would let two servers share a port.
        "allow_reuse_address": listener.transport == "tcp",
        # A process that died left its socket file behind, and is started again by itself.
        "reclaim_path": True,
        "path_mode": SOCKET_MODE,
        "request_queue_size": listener.backlog,
        "max_packet_size": _MAX_PACKET.get(listener.transport, 0),
        "max_threads": listener.max_threads if listener.concurrency in _POOLED else None,
        "max_queue": listener.max_queue,
        "max_children": listener.max_children,
        "ssl_context": _ssl_context(listener.tls),
    }
    return type(base.__name__, (_Quiet, base), attributes)


def _ssl_context(tls: TlsFiles | None) -> Any:
    if tls is None:
        return None
    from sockcore.tls import server_context  # OpenSSL costs megabytes: only where it is used

    return server_context(
        tls.certificate,
        client_ca=tls.client_ca,
        client_certificates=tls.client_certificates,
    )


class _Quiet:
    """A handler's traceback is kept with its request, not printed."""

    def handle_error(self, _request: object, client_address: object) -> None:
        log.debug("a handler raised for %s", client_address, exc_info=True)
