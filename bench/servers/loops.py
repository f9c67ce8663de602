"""asyncio, with its own event loop or with uvloop's: streams and protocols."""

from __future__ import annotations

import argparse
import asyncio
from typing import cast

from bench.servers.__main__ import announce

LOOPBACK = ("127.0.0.1", 0)
DEFAULT_BACKLOG = 100  # asyncio's own


class LineProtocol(asyncio.Protocol):
    """Answers each line as it came."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._transport.write(line + b"\n")


class EchoDatagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(data, addr)


async def answer_lines(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def listen(what: str, backlog: int) -> None:
    loop = asyncio.get_running_loop()
    if what == "udp":
        transport, _ = await loop.create_datagram_endpoint(EchoDatagrams, LOOPBACK)
        announce(transport.get_extra_info("sockname"))
        await asyncio.Event().wait()
    if what == "streams":
        server = await asyncio.start_server(answer_lines, *LOOPBACK, backlog=backlog)
    else:
        server = await loop.create_server(LineProtocol, *LOOPBACK, backlog=backlog)
    announce(server.sockets[0].getsockname())
    await server.serve_forever()


def serve(chosen: argparse.Namespace) -> None:
    make_loop = None
    if chosen.family == "uvloop":
        import uvloop

        make_loop = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=make_loop) as runner:
        runner.run(listen(chosen.what, chosen.backlog or DEFAULT_BACKLOG))
