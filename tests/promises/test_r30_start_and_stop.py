"""R30: every kind of server can be started and stopped hundreds of times, and nothing is left.

Neither descriptors, threads, children nor memory, and its address is free again each time.
"""

from __future__ import annotations

import socket
from itertools import count
from pathlib import Path

import pytest

from tests.certificates import Certificates
from tests.promises.proc import figures, rss
from tests.promises.serving import CONCURRENT, Served, back_to, client_of, short_and_full
from tests.sockcore.secure import secured
from tests.waiting import DEADLINE_S

#: Bytes that may come on top of the first few times.
MOST = 5 * 1024 * 1024

_TRANSPORTS = ("TCPServer", "UDPServer", "UnixStreamServer", "UnixDatagramServer")
_MODELS = ("", *(model.capitalize() for model in CONCURRENT))
KINDS = [
    model + transport
    for transport in _TRANSPORTS
    for model in _MODELS
    if not (model == "Event" and transport in ("UDPServer", "UnixDatagramServer"))
]
FORKING = [kind for kind in KINDS if kind.startswith("Forking")]
BACKGROUND = [kind for kind in KINDS if kind not in FORKING]
SECURE = [kind for kind in BACKGROUND if kind.endswith(("TCPServer", "StreamServer"))]
HOSTED = [*FORKING, "ThreadingTCPServer", "PoolUDPServer", "EventUnixStreamServer"]

_numbers = count(1)


@short_and_full("times", 15, 500)
@pytest.mark.parametrize("kind", BACKGROUND)
def test_r30_start_and_stop(kind: str, times: int, socket_dir: Path) -> None:
    _over_and_over(kind, times, socket_dir)


@short_and_full("times", 15, 500)
@pytest.mark.parametrize("kind", SECURE)
def test_r30_start_and_stop_with_tls(
    kind: str, times: int, socket_dir: Path, certificates: Certificates
) -> None:
    _over_and_over(kind, times, socket_dir, certificates=certificates)


@short_and_full("times", 4, 500)
@pytest.mark.parametrize("kind", HOSTED)
def test_r30_start_and_stop_in_a_host(kind: str, times: int, socket_dir: Path) -> None:
    _over_and_over(kind, times, socket_dir, run="HostedServer")


def _over_and_over(
    kind: str,
    times: int,
    folder: Path,
    *,
    run: str = "BackgroundServer",
    certificates: Certificates | None = None,
) -> None:
    local = "Unix" in kind
    # A path is in the way of the next only where nobody reclaims it; a port where it was in use.
    more = {"reclaim_path": True} if local else {"allow_reuse_address": True}
    pair = certificates.server if certificates is not None else None
    with Served(
        kind,
        "EchoDatagram" if _is_datagram(kind) else "Echo",
        run=run,
        address=str(folder / "server") if local else ("127.0.0.1", 0),
        tls=(pair.certificate, pair.private_key) if pair else (),
        attributes=more,
    ) as server:
        for _ in range(3):  # what it needs at first use is there after it
            _once(server, kind, folder, certificates)
        server.ask("stop")
        base, base_rss = figures(server.pid), rss(server.pid)
        for _ in range(times):
            server.begin(server.address)
            _once(server, kind, folder, certificates)
            assert server.ask("stop") == 0
        back_to(base, server.pid, DEADLINE_S, slack=0)
        assert rss(server.pid) - base_rss <= MOST
        assert server.said() == ""
        server.begin(server.address)


def _is_datagram(kind: str) -> bool:
    return kind.endswith(("UDPServer", "DatagramServer"))


def _once(server: Served, kind: str, folder: Path, certificates: Certificates | None) -> None:
    if _is_datagram(kind):
        with _sender(server.address, folder) as client:
            client.send(b"x")
            assert client.recv(9) == b"x"
        return
    client = client_of(server.address)
    if certificates is not None:
        client = secured(client, certificates.trusting())
    with client:
        client.sendall(b"x")
        assert client.recv(9) == b"x"


def _sender(address: object, folder: Path) -> socket.socket:
    local = isinstance(address, str)
    client = socket.socket(socket.AF_UNIX if local else socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(DEADLINE_S)
    if local:
        client.bind(str(folder / f"client-{next(_numbers)}"))
    client.connect(address)  # type: ignore[arg-type]
    return client
