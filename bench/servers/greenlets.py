"""gevent: a greenlet a connection."""

from __future__ import annotations

import argparse
from typing import Any

from gevent.server import DatagramServer, StreamServer

from bench.servers.__main__ import announce


def answer_lines(sock: Any, _address: Any) -> None:
    with sock.makefile("rb") as lines:
        for line in lines:
            sock.sendall(line)


class EchoDatagrams(DatagramServer):  # type: ignore[misc]
    def handle(self, data: bytes, address: Any) -> None:
        self.socket.sendto(data, address)


def serve(chosen: argparse.Namespace) -> None:
    if chosen.what == "udp":
        server = EchoDatagrams(("127.0.0.1", 0))
    else:
        more = {} if chosen.backlog is None else {"backlog": chosen.backlog}
        server = StreamServer(("127.0.0.1", 0), answer_lines, **more)
    server.start()
    announce((server.server_host, server.server_port))
    server.serve_forever()
