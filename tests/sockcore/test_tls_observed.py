"""What is on the tape of a TLS connection: the plaintext, once, however it was read or written."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import random
import socket
import ssl
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import Bytes, RequestFinished
from sockcore.observe_tls import NotingTLS
from tests.certificates import Certificates
from tests.sockcore.secure import (
    STREAM_KINDS,
    context_of,
    read_to_end,
    tls_caller,
    tls_watched,
    tls_wire,
)
from tests.sockcore.serving import in_thread, join, wait_until
from tests.sockcore.wires import exactly, wire

pytestmark = pytest.mark.usefixtures("leaves_nothing")

SAID = b"eleven byte"

Reader = Callable[[Any], bytes]
Writer = Callable[[Any], object]


def _into(sock: Any, *how: int) -> bytes:
    buffer = bytearray(64)
    return bytes(buffer[: sock.recv_into(buffer, *how)])


def _read_into(sock: Any) -> bytes:
    buffer = bytearray(64)
    return bytes(buffer[: sock.read(64, buffer)])


def _file(sock: Any, read: Callable[[Any], bytes], buffering: int = -1) -> bytes:
    with sock.makefile("rb", buffering) as file:
        return read(file)


READERS: dict[str, Reader] = {
    "recv": lambda sock: sock.recv(99),
    "recv as by default": lambda sock: sock.recv(),
    "recv in two": lambda sock: sock.recv(4) + sock.recv(99),
    "recv_into": _into,
    "recv_into of some": lambda sock: _into(sock, 4) + _into(sock, 60),
    "read": lambda sock: sock.read(99),
    "read as by default": lambda sock: sock.read(),
    "read into": _read_into,
    "file": lambda sock: _file(sock, lambda file: file.read(11)),
    "file, unbuffered": lambda sock: _file(sock, lambda file: file.read(99), 0),
    "file, readinto": lambda sock: _file(sock, lambda file: file.read1(99)),
}


def _text(sock: Any) -> None:
    with sock.makefile("w", encoding="ascii", newline="") as file:
        file.write(SAID.decode())


def _write_file(sock: Any, buffering: int) -> None:
    with sock.makefile("wb", buffering) as file:
        file.write(SAID)


WRITERS: dict[str, Writer] = {
    "send": lambda sock: sock.send(SAID),
    "send a view": lambda sock: sock.send(memoryview(bytearray(SAID))),
    "sendall": lambda sock: sock.sendall(SAID),
    "write": lambda sock: sock.write(SAID),
    "file": lambda sock: _write_file(sock, -1),
    "file, unbuffered": lambda sock: _write_file(sock, 0),
    "text file": _text,
    "sendfile": lambda sock: sock.sendfile(io.BytesIO(SAID)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_what_is_read_is_noted_once(read: Reader, certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, client):
        client.sendall(SAID)
        assert read(ours) == SAID
        assert w.received == exactly(SAID)
        assert w.sent == Bytes()


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_what_is_written_is_noted_once(write: Writer, certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, client):
        write(ours)
        assert client.recv(99) == SAID
        assert w.sent == exactly(SAID)
        assert w.received == Bytes()


def test_sendfile_of_a_real_file(certificates: Certificates, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(100_000)
    (tmp_path / "file").write_bytes(content)
    with tls_wire(certificates) as (w, ours, client), (tmp_path / "file").open("rb") as file:
        got: list[bytes] = []
        with in_thread(lambda: got.append(read_to_end(client))) as reading:
            assert ours.sendfile(file, 1000) == 99_000
            with contextlib.suppress(ssl.SSLWantReadError):
                ours.settimeout(0)
                ours.unwrap()
            join(reading)
        assert got == [content[1000:]]
        assert w.sent == exactly(content[1000:])


def test_what_tls_forbids_stays_forbidden(certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, client):
        client.sendall(b"there")
        forbidden: list[Callable[[], object]] = [
            lambda: ours.recvmsg(9),
            lambda: ours.recvmsg_into([bytearray(9)]),
            lambda: ours.sendmsg([b"x"]),
            lambda: ours.recvfrom(9),
            lambda: ours.recvfrom_into(bytearray(9)),
            lambda: ours.recv(9, socket.MSG_PEEK),
            lambda: ours.send(b"x", socket.MSG_OOB),
            lambda: ours.dup(),
        ]
        for act in forbidden:
            with pytest.raises((ValueError, NotImplementedError)):
                act()
        assert (w.tape.bytes_in, w.tape.bytes_out) == (0, 0)


def test_it_is_an_ssl_socket_like_any(certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, _):
        assert isinstance(ours, ssl.SSLSocket)
        assert type(ours).__name__ == "ObservedSSLSocket"
        assert ours.record is w.record
        assert ours.pending() == 0
        assert ours.tls == "TLSv1.3 TLS_AES_256_GCM_SHA384"
        assert ours.certificate is None


def test_class_of_the_context_is_kept(certificates: Certificates) -> None:
    class Own(ssl.SSLSocket):
        pass

    context = context_of(certificates)
    context.sslsocket_class = Own
    with wire(tcp=True) as w:
        ours = context.wrap_socket(w.ours, server_side=True, do_handshake_on_connect=False)
        with ours:
            assert isinstance(ours, Own)
            assert isinstance(ours, NotingTLS)


def test_a_polite_end_and_a_rude_one(certificates: Certificates) -> None:
    for polite in (True, False):
        with tls_wire(certificates) as (w, ours, client):
            assert not w.tape.peer_ended
            if polite:
                client.settimeout(0)
                with contextlib.suppress(ssl.SSLWantReadError):
                    client.unwrap()
            else:
                client.shutdown(socket.SHUT_WR)
            assert ours.recv(9) == b""
            assert w.tape.peer_ended


def test_after_unwrap_it_goes_on_in_plain_words(certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, client):
        client.sendall(b"secret ")
        assert ours.recv(99) == b"secret "
        with in_thread(client.unwrap) as leaving:
            assert ours.unwrap() is ours
            join(leaving)
        client.sendall(b"plain")
        assert ours.recv(99) == b"plain"
        ours.sendall(b"both ")
        ours.send(b"ways")
        with pytest.raises(ValueError, match="unwrapped"):
            ours.write(b"x")
        assert (w.received, w.sent) == (exactly(b"secret plain"), exactly(b"both ways"))


def test_close_ends_it_once(certificates: Certificates) -> None:
    with tls_wire(certificates) as (w, ours, _):
        file = ours.makefile("rb")
        ours.close()
        assert w.ends == 0
        file.close()
        assert w.ends == 1
        w.ours.close()  # the one it was made of
        ours.close()
        assert w.ends == 1


def test_it_dies_with_its_last_name(certificates: Certificates) -> None:
    with wire(tcp=True) as w:
        ours = context_of(certificates).wrap_socket(
            w.ours, server_side=True, do_handshake_on_connect=False
        )
        gone = weakref.ref(ours)
        with pytest.warns(ResourceWarning):
            del ours
        gc.collect()
        assert gone() is None
        assert w.peer.recv(1) == b""


# -- whole servers ------------------------------------------------------------------------


class Lines(sockcore.StreamRequestHandler):
    """Answers each line in capitals."""

    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line.upper())


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_tape_of_a_conversation(kind: str, certificates: Certificates, socket_dir: Path) -> None:
    with tls_watched(certificates, socket_dir, Lines, kind=kind) as w:
        with (
            tls_caller(w.server, certificates.trusting()) as client,
            client.makefile("rb") as file,
        ):
            client.sendall(b"one\ntwo\n")
            assert [file.readline(), file.readline()] == [b"ONE\n", b"TWO\n"]
            client.sendall(b"three\n")
            assert file.readline() == b"THREE\n"
            # What is sent is noted once it is.
            wait_until(lambda: w.server.totals().bytes_out == 14, "the last answer")
            (connection,) = w.server.connections()
            assert (connection.bytes_in, connection.bytes_out) == (14, 14)
            assert connection.last_bytes == b"three\n"
            assert connection.fileno is not None
        (ended,) = w.heard.wait_for(RequestFinished)
        assert (ended.outcome, ended.closed_by) == ("ok", "client")
        assert ended.received == exactly(b"one\ntwo\nthree\n")
        assert ended.sent == exactly(b"ONE\nTWO\nTHREE\n")
        assert sum(chunk.size for chunk in ended.chunks) == 28
        assert w.server.totals().bytes_in == 14


def test_a_mebibyte_both_ways(certificates: Certificates, socket_dir: Path) -> None:
    content = random.Random(2).randbytes(1024 * 1024)

    class Whole(sockcore.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read(len(content)))

    with tls_watched(certificates, socket_dir, Whole) as w:
        with tls_caller(w.server, certificates.trusting()) as client:
            client.sendall(content)
            assert read_to_end(client) == content
        (ended,) = w.heard.wait_for(RequestFinished)
        for way in (ended.received, ended.sent):
            assert way.total == len(content)
            assert way.prefix == content[:65536]
            assert way.sha256 == hashlib.sha256(content).digest()


def test_handler_that_raises(
    certificates: Certificates, socket_dir: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    class Raising(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            raise LookupError(self.request.recv(99))

    with tls_watched(certificates, socket_dir, Raising) as w:
        with tls_caller(w.server, certificates.trusting()) as client:
            client.sendall(b"why")
            assert read_to_end(client) == b""
        (ended,) = w.heard.wait_for(RequestFinished)
    assert ended.outcome == "error"
    assert "LookupError: b'why'" in (ended.error or "")
    assert "LookupError" in capfd.readouterr().err
