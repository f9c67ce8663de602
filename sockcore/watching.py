"""Gives a server its observer for one run. Knows the kinds of servers and of observers."""

from __future__ import annotations

import socket
import uuid

from sockcore.datagram_observer import DatagramObserver
from sockcore.events import EventSink
from sockcore.limits import Limits
from sockcore.observer import Observer
from sockcore.peers import peer_label
from sockcore.stream_observer import StreamObserver
from sockcore.tcp import TCPServer
from sockcore.udp import UDPServer

__all__ = ["watch"]


def watch(server: TCPServer, name: str, sink: EventSink, limits: Limits) -> Observer:
    """Give a server that does not serve yet an observer for one run, and its limits."""
    run_id = uuid.uuid4().hex
    server._obey(limits)
    observer: Observer
    local = server.address_family == getattr(socket, "AF_UNIX", None)
    if isinstance(server, UDPServer):
        transport = "unix-datagram" if local else "udp"
        datagrams = DatagramObserver(name, run_id, sink, limits)
        server.socket = datagrams.watch(server.socket)
        observer = server._observer = datagrams
    else:
        transport = "unix" if local else "tcp"
        observer = server._observer = StreamObserver(name, run_id, sink, limits)
    observer.listener = transport, peer_label(server.server_address)
    return observer
