"""What the kernel alone knows of a socket: what the peer took, what was dropped, what waits.

Linux tells all of it. Elsewhere an answer is None or 0, and its users go by what they saw.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

__all__ = ["bytes_taken", "discard_received", "dropped_datagrams"]

_LINUX = sys.platform == "linux"

#: struct tcp_info of <linux/tcp.h>: where tcpi_bytes_acked is, and enough of it.
_BYTES_ACKED = 120
_TCP_INFO_BYTES = 128

#: SO_MEMINFO of <asm-generic/socket.h> and SK_MEMINFO_DROPS of <linux/sock_diag.h>.
_SO_MEMINFO = 55
_MEMINFO_WORDS = 9
_DROPS = 8

_DONTWAIT = getattr(socket, "MSG_DONTWAIT", None)

#: A flood fills the buffer again while it is emptied: this many reads of 64 KiB are enough to
#: get ahead of a peer that just lost its turn.
_READS = 1024
_READ_BYTES = 64 * 1024


def bytes_taken(sock: socket.socket) -> int | None:
    """A number that changes whenever the peer of a stream takes some of what it is sent.

    TCP: bytes acknowledged since the connection began. A local stream: bytes it has not read.
    """
    try:
        if sock.family != getattr(socket, "AF_UNIX", None):
            if not _LINUX:
                return None
            raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
            return int(struct.unpack_from("=Q", raw, _BYTES_ACKED)[0])
        import fcntl
        import termios

        raw = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
        return int(struct.unpack("i", raw)[0])
    except (ImportError, OSError, ValueError, struct.error):  # not here, or closed meanwhile
        return None


def dropped_datagrams(sock: socket.socket) -> int:
    """How many the kernel threw away since the socket was made, as its buffer was full."""
    if not _LINUX:
        return 0
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 4 * _MEMINFO_WORDS)
    except OSError:  # a kernel before 4.12
        return 0
    return int(struct.unpack(f"={_MEMINFO_WORDS}I", raw)[_DROPS])


def discard_received(sock: socket.socket) -> None:
    """Throw away what waits to be read. Never waits.

    So that a peer which sends without end has room to send: only then does TCP let it notice
    that nobody reads any more.
    """
    if _DONTWAIT is None:
        return
    buffer = bytearray(_READ_BYTES)
    with (
        contextlib.suppress(OSError, ValueError),  # closed or reset meanwhile: even better
        # An object of its own, since waiting for data is a matter of the object's timeout.
        socket.socket(fileno=os.dup(sock.fileno())) as twin,
    ):
        for _ in range(_READS):
            if not twin.recv_into(buffer, 0, _DONTWAIT):
                return
