"""A datagram handler that sends only when there is something to send, and somebody to send it to.

`DatagramRequestHandler` answers every datagram, with an empty one if nothing was written, and
fails when the client has no address. The ready-made handlers do neither.
"""

from __future__ import annotations

from sockcore import DatagramRequestHandler


class QuietDatagramHandler(DatagramRequestHandler):
    def finish(self) -> None:
        """Send what was written to `wfile`. A Unix client that bound no name has no address."""
        if self.client_address and self.wfile.tell():
            super().finish()
