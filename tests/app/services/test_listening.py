"""From values to a server that listens: the same in this process and in another."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.handlers.echo import Echo
from app.services.kinds import KIND_CLASSES
from app.services.listening import Listener, TlsFiles, listen, listen_here
from sockcore.errors import CertificateError

ROOT = Path(__file__).resolve().parents[3]
TCP = Listener(
    transport="tcp",
    concurrency="pool",
    handler="echo",
    handler_options={"upper": True},
    handlers_dir="/nowhere",
    host="127.0.0.1",
    ports=((0, 0),),
    backlog=17,
    max_threads=3,
    max_queue=5,
    max_children=7,
)


def test_its_values_are_plain_and_make_it_again() -> None:
    files = TlsFiles(certificate="/a", client_ca=None, client_certificates="none")
    for listener in (TCP, replace(TCP, tls=files)):
        values = pickle.dumps(listener.values())
        assert b"app." not in values
        assert Listener.of(pickle.loads(values)) == listener


def test_what_is_said_is_set_on_the_server() -> None:
    with listen(TCP, Echo) as server:
        assert isinstance(server, KIND_CLASSES["tcp", "pool"])
        assert (server.request_queue_size, server.allow_reuse_address) == (17, True)
        assert (vars(type(server))["max_threads"], vars(type(server))["max_queue"]) == (3, 5)
        assert server.server_address[0] == "127.0.0.1"
    if hasattr(os, "fork"):
        with listen(replace(TCP, concurrency="forking"), Echo) as server:
            assert vars(type(server))["max_children"] == 7


def test_the_first_free_port_of_several_ranges_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with listen(replace(TCP, ports=((port, port), (0, 0))), Echo) as server:
            assert server.server_address[1] != port
        for ports, told in (
            (((port, port),), "in use"),
            (((port, port), (port, port)), "no allowed port is free"),
        ):
            with pytest.raises(OSError, match=told) as refused:
                listen(replace(TCP, ports=ports), Echo)
            assert refused.value.errno == errno.EADDRINUSE


def test_in_a_process_of_its_own_the_handler_is_found_by_its_key(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "import socketserver\n"
        "class Mine(socketserver.BaseRequestHandler):\n"
        "    options = {'word': 'It.'}\n"
        "    word = 'no'\n"
        "    def handle(self): ...\n"
    )
    (tmp_path / "other.py").write_text("raise SystemExit('it is not asked for')\n")
    values = replace(
        TCP, handler="mine.py:Mine", handlers_dir=str(tmp_path), handler_options={"word": "yes"}
    ).values()
    with listen_here(values) as server:
        handler = server.RequestHandlerClass
        assert (handler.__name__, handler.word) == ("Mine", "yes")  # type: ignore[attr-defined]


def test_a_certificate_that_is_not_there_is_told() -> None:
    tls = TlsFiles(certificate="/nowhere.pem", client_ca=None, client_certificates="none")
    with pytest.raises(CertificateError, match="nowhere"):
        listen(replace(TCP, tls=tls), Echo)


def test_a_host_process_imports_little() -> None:
    """Neither what serves pages nor what keeps tables: it is there once for every such server."""
    heavy = {"pydantic", "fastapi", "starlette", "sqlalchemy", "sqlmodel", "jinja2", "alembic"}
    script = (
        "import sys, app.services.listening;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    imported = set(done.stdout.split())
    assert "sockcore" in imported
    assert imported & (heavy | {"ssl", "cryptography", "asyncio"}) == set()
