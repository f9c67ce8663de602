"""TLS before HTTP: a visitor who has yet to agree on it is counted and timed like any other.

asyncio's own TLS shows a connection only once its handshake is over, after 60 s at worst: whoever
says nothing would hold a descriptor meanwhile that no bound of the door knows of.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, ClassVar, Final

from uvicorn.protocols.utils import get_remote_addr

from app.panel_door import Door, Fault, plain
from app.panel_protocol import PanelProtocol

#: Seconds for a handshake by asyncio's clock. The door's deadline comes first, and stands still
#: with the process.
_HANDSHAKE_S: Final = 60.0


def tls_protocol(panel: type[PanelProtocol], context: ssl.SSLContext) -> type[TlsVisitor]:
    """The protocol of all connections that get to `panel` by TLS; uvicorn makes one for each."""

    class Encrypted(TlsVisitor):
        pass

    Encrypted.panel, Encrypted.context, Encrypted.door = panel, context, panel.door
    return Encrypted


class TlsVisitor(asyncio.Protocol):
    """One connection, until TLS is agreed on; then a `panel` has it. Thread: the event loop's."""

    panel: ClassVar[type[PanelProtocol]]
    context: ClassVar[ssl.SSLContext]
    door: ClassVar[Door]

    client: tuple[str, int] | None = None

    def __init__(self, **uvicorn: Any) -> None:
        """`uvicorn`: what it makes a protocol of."""
        self._uvicorn = uvicorn
        self._early = bytearray()  # what came with the end of the handshake
        self._at_end = False  # nothing more comes
        self._lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self.client = plain(get_remote_addr(transport))
        if self.door.admit(self) is not None:
            transport.abort()  # it could read no answer
            return
        self._due = self.door.now + self.door.limits.header_s
        transport.pause_reading()  # TLS is to have all of it; uvloop would go on
        self._task = asyncio.get_running_loop().create_task(self._agree())

    def data_received(self, data: bytes) -> None:
        self._early += data

    def eof_received(self) -> None:
        self._at_end = True

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost = True
        self.door.leave(self)

    def look(self, now: float) -> None:
        """End this connection if its handshake is overdue."""
        if now >= self._due and not self._transport.is_closing():
            self.door.note(Fault.HANDSHAKE, self)
            self._transport.abort()

    def make_room(self) -> None:
        """End this connection: it waits, and others need its place."""
        self.door.note(Fault.ROOM, self)
        self._transport.abort()

    async def _agree(self) -> None:
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                self.context,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_S,
                # The goodbye waits for the answer to be taken, as long as a part of one may.
                ssl_shutdown_timeout=self.door.limits.unread_s,
            )
        except OSError as error:  # ssl.SSLError is one, and being cut
            if isinstance(error, ssl.SSLError):
                self.door.note(Fault.NOT_TLS, self)
            self._transport.abort()
            return
        finally:
            self.door.leave(self)
        if encrypted is not None and not self._lost and not encrypted.is_closing():
            self._hand_over(encrypted)

    def _hand_over(self, encrypted: asyncio.Transport) -> None:
        panel = self.panel(**self._uvicorn)
        encrypted.set_protocol(panel)
        panel.connection_made(encrypted)
        if self._early:
            panel.data_received(bytes(self._early))
        if self._at_end:
            panel.eof_received()
