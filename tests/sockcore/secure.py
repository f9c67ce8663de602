"""TLS in tests: servers that speak it, clients that trust them, and a pair of connected ends.

Every client here fails when the server breaks off without saying goodbye. Knows no claims.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sockcore import BackgroundServer, Limits
from sockcore.observe_tls import NotingTLS
from sockcore.tls import server_context
from tests.certificates import Certificates
from tests.sockcore.serving import in_thread, join
from tests.sockcore.watching import STREAMS, Echo, Handler, Watched, caller, factory, watched
from tests.sockcore.wires import Wire, wire

STREAM_KINDS = tuple(STREAMS)


@contextlib.contextmanager
def tls_watched(
    certificates: Certificates,
    folder: Path,
    handler: Handler = Echo,
    *,
    kind: str = "tcp-threading",
    limits: Limits | None = None,
    **attributes: object,
) -> Iterator[Watched]:
    """A background server that speaks TLS, with `attributes` of its class."""
    attributes.setdefault("ssl_context", context_of(certificates))
    with watched(factory(kind, handler, folder, **attributes), limits=limits) as running:
        yield running


def context_of(certificates: Certificates, **options: Any) -> ssl.SSLContext:
    return server_context(
        certificates.server.certificate, certificates.server.private_key, **options
    )


def secured(plain: socket.socket, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Shake hands as a client; `plain` is closed when that fails."""
    try:
        return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise


def tls_caller(server: BackgroundServer, context: ssl.SSLContext) -> ssl.SSLSocket:
    """A client of a running server, hands shaken; every wait on it ends at the deadline."""
    return secured(caller(server), context)


def say_hi(server: BackgroundServer, context: ssl.SSLContext) -> None:
    """Reading the answer takes in the session tickets: unread, they would reset the connection."""
    with tls_caller(server, context) as client:
        client.sendall(b"hi")
        assert client.recv(9) == b"hi"


def read_to_end(client: ssl.SSLSocket) -> bytes:
    """All that comes; ssl.SSLEOFError when it was cut off without a goodbye."""
    return b"".join(iter(lambda: client.recv(65536), b""))


@contextlib.contextmanager
def tls_wire(certificates: Certificates) -> Iterator[tuple[Wire, NotingTLS, ssl.SSLSocket]]:
    """A wire whose two ends speak TLS: the wire, our end and the client's, hands shaken."""
    trusting = certificates.trusting()
    peers: list[ssl.SSLSocket] = []
    with wire(tcp=True) as w:
        with in_thread(lambda: peers.append(secured(w.peer, trusting))) as shaking:
            ours = context_of(certificates).wrap_socket(w.ours, server_side=True)
            join(shaking)
        assert isinstance(ours, NotingTLS)
        with ours, peers[0]:
            yield w, ours, peers[0]


def hello(certificates: Certificates) -> bytes:
    """The first message of a client."""
    outgoing = ssl.MemoryBIO()
    client = certificates.trusting().wrap_bio(
        ssl.MemoryBIO(), outgoing, server_hostname="localhost"
    )
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()
