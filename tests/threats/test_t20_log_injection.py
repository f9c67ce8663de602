"""T20: Sockpit's own log is lines of its own, whatever strangers put into what it tells."""

from __future__ import annotations

import logging
import re
import socket
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.log_lines import MARGIN, LineFormatter, spelt_out
from tests.clients import Client
from tests.conftest import LaunchApp
from tests.hostile import PAYLOADS, Payload, controls
from tests.running import RunningApp, definition, offer
from tests.waiting import DEADLINE_S, eventually

#: What every line of the log begins with, but for those of a traceback.
BEGINS = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO|WARNING|ERROR|CRITICAL) +\S+: ")

TALKATIVE = """
    import sys
    import warnings
    from socketserver import BaseRequestHandler

    class Talkative(BaseRequestHandler):
        def handle(self):
            text = self.request.recv(65536).decode("utf-8", "replace")
            if text.startswith("warn"):
                warnings.warn(text)
            raise ValueError(text)
"""


def logged(message: str, *arguments: object, error: BaseException | None = None) -> str:
    record = logging.makeLogRecord(
        {
            "name": "app",
            "levelno": logging.ERROR,
            "levelname": "ERROR",
            "msg": message,
            "args": arguments,
            "exc_info": error and (type(error), error, error.__traceback__),
        }
    )
    return LineFormatter().format(record)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_t20_message_is_one_line(payload: Payload) -> None:
    text = payload.data.decode("utf-8", "surrogateescape")
    for line in (logged("a login as %s failed", text), logged(text.replace("%", "%%"))):
        assert BEGINS.match(line)
        assert len(line.splitlines()) == 1
        assert controls(line) == set()
        line.encode("utf-8")  # a stream can write it


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_t20_traceback_cannot_be_taken_for_messages(payload: Payload) -> None:
    try:
        raise ValueError(payload.text)
    except ValueError as error:
        first, *others = logged("it failed", error=error).split("\n")
    assert BEGINS.match(first)
    assert others
    assert all(line.startswith(MARGIN) for line in others)
    assert controls("".join([first, *others])) == set()


@given(st.text())
def test_t20_what_is_spelt_out_can_be_read_as_it_stands(text: str) -> None:
    line = spelt_out(text)
    assert controls(line) == set()
    assert len(line.splitlines()) <= 1
    if text.isascii() and text.isprintable():
        assert line == text


def test_t20_what_is_spelt_out_says_what_it_was() -> None:
    assert spelt_out("\x1b[2J\r\u202e\x9b\u2028\udc80\U000e0041é龍") == (
        "\\x1b[2J\\x0d\\u202e\\x9b\\u2028\\udc80\\U000e0041é龍"
    )


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    return launch().start()


def check(log: str) -> None:
    """All that is in a log is lines of ours: at the margin messages, tracebacks set in."""
    told = [line for line in log.split("\n") if line and not line.startswith("Sockpit is at ")]
    foreign = [line for line in told if not BEGINS.match(line) and not line.startswith(MARGIN)]
    assert foreign == []
    assert controls(log, "\n") == set()
    # A host process whose own log is told has the text after a name; never the margin.
    assert not re.search(r"^.{0,30}CRITICAL app: (the log was )?forged", log, re.M)


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_t20_handlers_that_raise_what_they_are_sent(app: RunningApp, isolation: str) -> None:
    talkative = offer(app, "talkative.py", TALKATIVE)
    body = definition(name="trap", handler=talkative, isolation=isolation)
    server = app.api.post("servers", body)
    sent = [*(p.data for p in PAYLOADS), b"warn\n2026-01-01 00:00:00,000 CRITICAL app: forged"]
    for data in sent:
        with Client(server) as client:
            client.say(data)
    app.api.finished("trap", len(sent))
    assert app.stop() == 0
    check(app.log)


def test_t20_visitors_of_the_panel(app: RunningApp) -> None:
    """Names, paths, headers and what is no HTTP, in every place where the log tells of one."""
    for payload in PAYLOADS:
        app.api.pages.post("/login", data={"name": payload.text, "password": "wrong wrong"})
        app.api.call("POST", "log/deletions", json={"q": payload.text[:200]})
        raw = b"GET /servers/" + payload.line.replace(b" ", b"") + b" HTTP/1.1\r\n"
        ask_raw(app.port, raw + b"Host: localhost\r\nUser-Agent: " + payload.data + b"\r\n\r\n")
        ask_raw(app.port, payload.data + b"\r\n\r\n")
    eventually(lambda: "a login as" in app.log and "closed connections" in app.log)
    assert app.stop() == 0
    check(app.log)


def ask_raw(port: int, raw: bytes) -> bytes:
    """What the panel says to just these bytes; it may say nothing, and end the connection."""
    with closing(socket.create_connection(("127.0.0.1", port), DEADLINE_S)) as panel:
        try:
            panel.sendall(raw)
            panel.shutdown(socket.SHUT_WR)
            return panel.recv(65536)
        except ConnectionError:
            return b""


def test_t20_handlers_of_others(app: RunningApp) -> None:
    """A file whose name and whose error were made to break the log."""
    name = "x\x1b[2J\u202e.py"
    (app.handlers_dir / name).write_text("raise ValueError('a\\n\\x1b[2Jb')")
    app.api.post("handlers/rescan")
    eventually(lambda: "cannot be used" in app.log)
    assert app.stop() == 0
    check(app.log)
