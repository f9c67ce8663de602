"""logging over sockets: the configuration listener, and receivers of records by TCP and UDP."""

from __future__ import annotations

import json
import logging
import logging.config
import logging.handlers
import pickle
import queue
import socket
import socketserver
import struct
from typing import Any

from tests.sockcore.programs.serving import origin, serving

received: queue.Queue[str] = queue.Queue()


class StreamReceiver(socketserver.StreamRequestHandler):
    """Length and pickle, as logging.handlers.SocketHandler sends them."""

    def handle(self) -> None:
        while head := self.rfile.read(4):
            (size,) = struct.unpack(">L", head)
            record = logging.makeLogRecord(pickle.loads(self.rfile.read(size)))
            received.put(record.getMessage())


class DatagramReceiver(socketserver.DatagramRequestHandler):
    def handle(self) -> None:
        record = logging.makeLogRecord(pickle.loads(self.packet[4:]))
        received.put(record.getMessage())


def _configure_over_the_wire() -> list[int]:
    """Levels of a logger before and after its configuration came through the listener."""
    listener: Any = logging.config.listen(0)
    logger = logging.getLogger("configured")
    levels = [logger.level]
    listener.start()
    listener.ready.wait(20)
    config = {"version": 1, "loggers": {"configured": {"level": "ERROR"}}}
    data = json.dumps(config | {"disable_existing_loggers": False}).encode()
    with socket.create_connection(("localhost", listener.port), 20) as client:
        client.sendall(struct.pack(">L", len(data)) + data)
        client.recv(1)  # the receiver closes when it is done
    logging.config.stopListening()
    listener.join()
    return [*levels, logger.level]


def _log_through(handler: logging.Handler, message: str) -> str:
    logger = logging.getLogger("sender")
    logger.propagate = False
    logger.addHandler(handler)
    logger.warning("%s and %d", message, 42)
    logger.removeHandler(handler)
    handler.close()
    return received.get(timeout=20)


def run() -> dict[str, object]:
    seen: dict[str, object] = {"origin": origin(vars(logging.config)["ThreadingTCPServer"])}
    seen["levels"] = _configure_over_the_wire()
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), StreamReceiver)) as server:
        handler = logging.handlers.SocketHandler(*server.server_address)
        seen["tcp"] = _log_through(handler, "stream")
    with serving(socketserver.UDPServer(("127.0.0.1", 0), DatagramReceiver)) as server:
        handler = logging.handlers.DatagramHandler(*server.server_address)
        seen["udp"] = _log_through(handler, "datagram")
    return seen
