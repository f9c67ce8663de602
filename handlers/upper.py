"""Written for Python's own `socketserver`, as in its tutorial, and used here unchanged.

Nothing in this file knows of Sockpit. `self.request` is a socket for a stream, and a pair of data
and socket for a datagram; what the tutorial says of them holds.
"""

from __future__ import annotations

import socketserver


class UpperTCP(socketserver.StreamRequestHandler):
    """Gives every line back in upper case, over TCP or a Unix socket."""

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


class UpperUDP(socketserver.DatagramRequestHandler):
    """Gives every datagram back in upper case, over UDP or a Unix socket."""

    def handle(self) -> None:
        self.wfile.write(self.rfile.read().upper())


# Sockpit imports the file and so never gets here; `python upper.py` does.
if __name__ == "__main__":
    with socketserver.TCPServer(("127.0.0.1", 9999), UpperTCP) as server:
        server.serve_forever()
