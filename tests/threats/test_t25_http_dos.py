"""T25: what HTTP lets a stranger make large, deep or many costs the panel next to nothing."""

from __future__ import annotations

import re
import socket
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.conftest import LaunchApp
from tests.promises.proc import rss
from tests.running import ROOT, SESSION_COOKIE, Api, AppThread, log_in
from tests.threats.cost import cheap
from tests.waiting import DEADLINE_S

MIB = 1024 * 1024

FORM = "application/x-www-form-urlencoded"
BOUNDED = "multipart/form-data; boundary=x"
#: A page that reads such a form.
WHERE = {FORM: "/login", BOUNDED: "/certificates", "multipart/form-data": "/certificates"}


def send(port: int, head: str, pieces: list[bytes]) -> tuple[int, bytes]:
    """How many bytes of the pieces could be sent, and the answer that came."""
    sent, answer = 0, b""
    with closing(socket.create_connection(("127.0.0.1", port), DEADLINE_S)) as panel:
        panel.sendall(head.replace("\n", "\r\n").encode())
        with suppress(ConnectionError):
            for piece in pieces:
                panel.setblocking(False)
                with suppress(BlockingIOError):
                    answer = panel.recv(65536, socket.MSG_PEEK)
                panel.settimeout(DEADLINE_S)
                if answer:
                    break
                panel.sendall(piece)
                sent += len(piece)
        with suppress(ConnectionError):
            answer = panel.recv(65536) or answer
    return sent, answer


@pytest.mark.parametrize("kind", [FORM, BOUNDED])
def test_t25_form_of_100_mib(launch: LaunchApp, kind: str) -> None:
    app = launch().start()
    session = log_in(app.url)
    before = rss(app.pid)
    piece = b"name=" + b"a" * (MIB - 5)
    if kind == BOUNDED:
        piece = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n' + b"a" * MIB
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    head = f"POST {WHERE[kind]} HTTP/1.1\nHost: localhost\nContent-Type: {kind}\n"
    head += f"Cookie: {SESSION_COOKIE}={session}\n"
    sent, answer = send(app.port, f"{head}Transfer-Encoding: chunked\n\n", [chunk] * 100)
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:100]
    assert sent < 16 * MIB  # what the buffers of the system hold, not the form
    sent, answer = send(app.port, f"{head}Content-Length: {100 * MIB}\n\n", [piece] * 100)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert sent < 16 * MIB
    assert rss(app.pid) - before < 20 * MIB


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"a=&" * 300_000),
        (FORM, b"&" * MIB),
        (FORM, b"name=" + b"%41" * 300_000),
        (BOUNDED, b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' * 15_000),
        (BOUNDED, b"--x\r\n" + b"A: b\r\n" * 100_000),
        (BOUNDED, b"-" * MIB),
        ("multipart/form-data", b"x" * 1000),
        ("multipart/form-data; boundary=" + "x" * 8000, b"x" * MIB),
    ],
    ids=["fields", "empty", "escapes", "parts", "headers", "dashes", "no-boundary", "boundary"],
)
def test_t25_forms_that_are_small_and_costly(api: Api, kind: str, body: bytes) -> None:
    path = WHERE[kind.partition(";")[0]]
    with cheap():
        answer = api.pages.post(path, content=body, headers={"content-type": kind})
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "asked", ["0-," * 10_000, "0-1," * 10_000, "-1," * 10_000, "1-0," * 9_000], ids=lambda a: a[:4]
)
def test_t25_ten_thousand_ranges(api: Api, asked: str) -> None:
    headers = {"range": f"bytes={asked[:-1]}"}
    with cheap():
        answer = api.pages.get("/static/app.css", headers=headers)
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) < MIB


BOMBS = {
    "lists": "[" * 500_000,
    "objects": '{"a":' * 150_000,
    "mixed": '[{"a":' * 150_000,
    "inside": '{"name":' + "[" * 100_000 + "]" * 100_000 + "}",
    "options": '{"handler_options":' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}",
    "number": '{"name":' + "9" * 900_000 + "}",
    "exponent": '{"name":1e' + "9" * 900_000 + "}",
    "escapes": '{"name":"' + "\\u0000" * 150_000 + '"}',
    "keys": "{" + ",".join(f'"k{number}":1' for number in range(60_000)) + "}",
    "same-keys": "{" + ",".join(['"name":1'] * 90_000) + "}",
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("path", ["servers", "tokens", "users"])
def test_t25_json_that_is_deep_or_many(api: Api, path: str, bomb: str) -> None:
    headers = {"content-type": "application/json"}
    with cheap():
        answer = api.call("POST", path, content=BOMBS[bomb].encode(), headers=headers)
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < MIB


@pytest.mark.parametrize(
    "flood",
    [
        b"".join(b"X-%d: y\r\n" % number for number in range(100_000)),
        b"X: " + b"y" * MIB,
        b"X" * MIB,
        b"Cookie: " + b"a=b; " * 100_000,
    ],
    ids=["many", "long", "name", "cookies"],
)
def test_t25_flood_of_headers(app_thread: AppThread, flood: bytes) -> None:
    head = "GET /login HTTP/1.1\nHost: localhost\n"
    pieces = [flood[at : at + 8192] for at in range(0, len(flood), 8192)]
    _, answer = send(app_thread.port, head, [*pieces, b"\r\n\r\n"])
    assert re.match(rb"HTTP/1\.1 4\d\d ", answer), answer[:100]
    assert app_thread.api.call("GET", "health").is_success


#: From which versions on the known ways to do it are closed.
FLOORS = {"starlette": (0, 49, 1), "python-multipart": (0, 0, 27)}


@pytest.mark.parametrize("package", FLOORS)
def test_t25_locked_versions_have_the_fixes(package: str) -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        path = Path(ROOT, name)
        found = re.search(rf"^{package}==([\d.]+)", path.read_text(encoding="utf-8"), re.M)
        if found is None and name == "requirements-dev.lock":
            continue
        assert found
        assert tuple(map(int, found[1].split("."))) >= FLOORS[package]
