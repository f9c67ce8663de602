"""The measured process: one server, pinned to the first core, asked for its CPU over stdin.

`python -m bench.serve MODULE CLASS [watched]` prints its port, then for every line on stdin the
CPU seconds it has used so far; it ends with its stdin.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from typing import Any


def handler_class(module: Any, datagram: bool) -> type:
    """The same handler over either module: answers each line, or the datagram, as it came."""

    class Stream(module.StreamRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(line)

    class Datagram(module.BaseRequestHandler):  # type: ignore[misc]
        def handle(self) -> None:
            data, sock = self.request
            sock.sendto(data, self.client_address)

    return Datagram if datagram else Stream


def main() -> None:
    module = importlib.import_module(sys.argv[1])
    name = sys.argv[2]
    os.sched_setaffinity(0, {0})
    server_class = getattr(module, name)
    handler = handler_class(module, "UDP" in name)

    def make() -> Any:
        module.TCPServer.request_queue_size = 512  # the same backlog for both
        return server_class(("127.0.0.1", 0), handler)

    if "watched" in sys.argv:
        server = module.BackgroundServer(make, sink=lambda _event: None).start()
        port = server.address[1]
    else:
        plain = make()
        port = plain.server_address[1]
        threading.Thread(target=plain.serve_forever, daemon=True).start()
    print(port, flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    main()
