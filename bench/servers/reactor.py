"""Twisted: its line protocol on the system's default reactor."""

from __future__ import annotations

import argparse
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.protocols.basic import LineOnlyReceiver

from bench.servers.__main__ import announce


class Lines(LineOnlyReceiver):  # type: ignore[misc]
    """Answers each line as it came."""

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        self.sendLine(line)


class EchoDatagrams(DatagramProtocol):  # type: ignore[misc]
    def datagramReceived(self, datagram: bytes, address: Any) -> None:
        self.transport.write(datagram, address)


def serve(chosen: argparse.Namespace) -> None:
    loop: Any = reactor
    if chosen.what == "udp":
        port = loop.listenUDP(0, EchoDatagrams(), interface="127.0.0.1")
    else:
        more = {} if chosen.backlog is None else {"backlog": chosen.backlog}
        port = loop.listenTCP(0, Factory.forProtocol(Lines), interface="127.0.0.1", **more)
    announce((port.getHost().host, port.getHost().port))
    loop.run()
