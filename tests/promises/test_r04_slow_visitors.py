"""R4: slow visitors of the panel lock nobody out, and are cut.

200 half-sent headers from one address: a good request is answered within 1 s, of that address
too; the half-open are closed within 10 s; no address has more than 100 connections. Whoever sends
a body too slowly, or takes nothing of an answer, is cut within 30 s of it.
"""

from __future__ import annotations

import json
import os
import re
import select
import signal
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.promises.proc import rss
from tests.promises.serving import short_and_full
from tests.promises.visiting import (
    BAD,
    GOOD,
    Crowd,
    ask_at,
    drip,
    hasty,
    header,
    one_answer,
    status_of,
    to_the_end,
    visitor,
)
from tests.running import RunningApp, definition
from tests.waiting import DEADLINE_S, equal, eventually
from tests.watching import watching

HALF_OPEN, PER_ADDRESS = 200, 100

#: Seconds for a good request: three times what is promised.
GOOD_S = 3 * 1.0

#: Seconds that a cut may come late on a busy machine.
LATE_S = 5.0

_HEALTH = "/api/v1/health"

#: A header whose end is missing.
_HALF = header(_HEALTH)[:-2]

#: What the log says.
_TOLD = "closed connections to the panel"
_UNREAD = "took nothing of what was sent"

_CROWD = "too_many_of_one_address"

#: Bytes that nobody reads, in the log: far more than there is room for on the way.
_UNREAD_BYTES = 8 * 1024 * 1024

#: So many take nothing of a download, and how much memory each may take.
_DEAF, _OF_ONE = 3, 5 * 1024 * 1024  # with the slow one as many as may export at once

_EXPORT = "/api/v1/requests/export?format=jsonl"


@short_and_full("header_s", 2.0, None)
def test_r04_half_sent_headers(launch: LaunchApp, header_s: float | None) -> None:
    app = hasty(launch, **_limits(header_s=header_s))
    deadline_s = header_s or 10.0
    with Crowd() as crowd:
        crowd.add(app, HALF_OPEN, _HALF)
        # The test's own client may have a connection of that address.
        eventually(lambda: PER_ADDRESS - 2 <= crowd.open() <= PER_ADDRESS)
        asked, pause = [], threading.Event()
        while crowd.open():
            asked += [(BAD, *ask_at(app, _HEALTH, BAD)), (GOOD, *ask_at(app, _HEALTH))]
            assert max(took_s for _, _, took_s in asked) <= GOOD_S
            assert crowd.oldest_s() <= deadline_s + LATE_S
            pause.wait(0.05)
        of_others = [status for source, status, _ in asked if source == GOOD]
        assert set(of_others) == {200}
        # Its own address may have to wait a second until it counts as one that only waits.
        assert 200 in [status for source, status, _ in asked if source == BAD]
        assert set(crowd.statuses()) <= {408, 503}
        late = [each.after_s for each in crowd.ended if each.status == 408]
        assert min(late) >= deadline_s * 0.75  # a look is early, and two clocks are not one
    assert 1 <= app.log.count(_TOLD) <= deadline_s + LATE_S


def test_r04_silent_ones_are_cut_without_an_answer(launch: LaunchApp) -> None:
    """Browsers connect ahead of time, and would take an answer for that of their next request."""
    app = hasty(launch, header_s=1.0)
    with Crowd() as crowd:
        crowd.add(app, 3, b"")
        equal(crowd.statuses, [0, 0, 0])


def test_r04_half_a_second_request_is_cut(launch: LaunchApp) -> None:
    """The time for a header begins anew with each request, at its first byte."""
    app = hasty(launch, header_s=1.0)
    with visitor(app) as client:
        client.sendall(header(_HEALTH))
        assert status_of(one_answer(client)) == 200
        client.sendall(_HALF)
        assert status_of(to_the_end(client)) == 408


def test_r04_endless_header_is_cut(app_process: RunningApp) -> None:
    with visitor(app_process) as client:
        client.sendall(_HALF)
        drip(client, b"X: " + b"x" * 60_000 + b"\r\n", 0.0, lambda: True)
        assert status_of(to_the_end(client)) in (431, 0)  # what is cut amid a word may lose it
        eventually(lambda: "1 too long a header" in app_process.log)


def test_r04_what_is_no_http_is_told_of_once(app_process: RunningApp) -> None:
    for _ in range(50):
        with visitor(app_process, BAD) as client:
            client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
            assert status_of(to_the_end(client)) == 400
    equal(lambda: _told(app_process, "not HTTP"), 50)
    assert len(app_process.log.splitlines()) < 10


def test_r04_upgrades_are_not_made(app_process: RunningApp) -> None:
    with visitor(app_process) as client:
        client.sendall(header(_HEALTH, Connection="Upgrade", Upgrade="websocket"))
        assert status_of(one_answer(client)) == 200
    assert "WARNING" not in app_process.log


def test_r04_connections_of_one_address(app_process: RunningApp) -> None:
    """At its cap an address is refused, another is not, and who leaves makes room."""
    app = app_process
    with ExitStack() as stack:
        streams = [stack.enter_context(visitor(app, BAD)) for _ in range(PER_ADDRESS - 1)]
        for stream in streams:
            stream.sendall(header("/api/v1/events"))
            assert status_of(stream.recv(65536)) == 200
        app.api.close()  # the last one of that address
        with visitor(app, BAD) as last:
            last.sendall(header("/api/v1/events"))
            assert eventually(lambda: status_of(last.recv(65536))) == 200
            for _ in range(50):
                with visitor(app, BAD) as refused:
                    answer = to_the_end(refused)
                    assert status_of(answer) == 503
                    assert b"\r\nretry-after: " in answer.lower()
                    assert json.loads(answer.split(b"\r\n\r\n")[1])["code"] == _CROWD
                status, took_s = ask_at(app, _HEALTH)
                assert status == 200
                assert took_s <= GOOD_S
        eventually(lambda: ask_at(app, _HEALTH, BAD)[0] == 200)
        assert not any(map(_is_over, streams))
    # More than 50 where whoever asked for the room of the last one came too early.
    eventually(lambda: _told(app, "too many of one address") >= 50)
    assert "too many of one address; the last from 127.0.0.1" in app.log
    assert app.log.count(_TOLD) < 10


def test_r04_connections_in_all(launch: LaunchApp) -> None:
    app = hasty(launch, connections=20, per_address=10)
    with ExitStack() as stack:
        for number in range(20):
            stream = stack.enter_context(visitor(app, f"127.0.0.{3 + number // 10}"))
            stream.sendall(header("/api/v1/events"))
            assert status_of(stream.recv(65536)) in (200, 503)
        eventually(lambda: ask_at(app, _HEALTH)[0] == 503)
    eventually(lambda: ask_at(app, _HEALTH)[0] == 200)


def test_r04_few_descriptors_are_mostly_for_servers(launch: LaunchApp) -> None:
    app = launch().start("prlimit", "--nofile=240:240")
    with ExitStack() as stack:
        for number in range(58):
            stream = stack.enter_context(visitor(app, f"127.0.0.{3 + number // 30}"))
            stream.sendall(header("/api/v1/events"))
            assert status_of(stream.recv(65536)) == 200
        with Crowd() as crowd:
            crowd.add(app, 10, header("/api/v1/events"))
            eventually(lambda: crowd.statuses().count(503) >= 8)


def test_r04_standstill_makes_nobody_late(launch: LaunchApp) -> None:
    app = hasty(launch, header_s=2.0)
    with visitor(app) as client:
        client.sendall(_HALF)
        os.kill(app.pid, signal.SIGSTOP)
        threading.Event().wait(3.0)
        os.kill(app.pid, signal.SIGCONT)
        threading.Event().wait(0.3)
        client.sendall(b"\r\n")
        assert status_of(one_answer(client)) == 200


def test_r04_trailers_are_no_headers(app_process: RunningApp) -> None:
    """uvicorn would take this one for a header, and the request be refused."""
    body = json.dumps(definition()).encode()
    chunked = _post(0).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    trailer = b"Sec-Fetch-Site: cross-site\r\n\r\n"
    with visitor(app_process) as client:
        client.sendall(chunked + b"%x\r\n%b\r\n0\r\n" % (len(body), body) + trailer)
        assert status_of(one_answer(client)) == 201


@short_and_full("body_s", 2.0, None)
@pytest.mark.parametrize("piece", [b"", b" "])
def test_r04_slow_body(launch: LaunchApp, piece: bytes, body_s: float | None) -> None:
    """One that stands still, and one of a byte a tenth of a second."""
    app = hasty(launch, **_limits(body_s=body_s))
    deadline_s = body_s or 30.0
    with visitor(app, BAD) as client:
        client.sendall(_post(10_000) + b" ")
        began = time.monotonic()
        drip(client, piece, 0.1, lambda: not _is_readable(client))
        assert status_of(to_the_end(client)) == 408
        assert deadline_s * 0.75 <= time.monotonic() - began <= deadline_s + LATE_S
    assert ask_at(app, _HEALTH, BAD)[0] == 200
    assert "Traceback" not in app.log, app.log


def test_r04_body_that_comes_steadily_may_take_longer(launch: LaunchApp) -> None:
    app = hasty(launch, body_s=1.0)
    body = json.dumps(definition()).encode().ljust(4_000)
    with visitor(app) as client:
        client.sendall(_post(len(body)))
        pause = threading.Event()
        for at in range(0, len(body), 200):  # 2,000 bytes a second, four times what is asked
            client.sendall(body[at : at + 200])
            pause.wait(0.1)
        assert status_of(client.recv(65536)) == 201


@short_and_full("unread_s", 2.0, None)
def test_r04_who_takes_nothing_of_a_stream(launch: LaunchApp, unread_s: float | None) -> None:
    app = hasty(launch, **_limits(unread_s=unread_s))
    server = app.api.post("servers", definition("udp", limits={"replies_per_s": 0}))
    with watching(app.url) as reader, visitor(app, room=4096) as deaf, Client(server) as client:
        deaf.sendall(header("/api/v1/events"))
        _fill_log(client)
        _cut_as_unread(app, 1, unread_s or 30.0)
        heard = len(reader.events("request"))
        client.ask(b"one more")
        eventually(lambda: len(reader.events("request")) > heard)


@short_and_full("unread_s", 2.0, None)
def test_r04_who_takes_nothing_of_a_download(launch: LaunchApp, unread_s: float | None) -> None:
    """Little waits for them; one that reads slowly gets all of it."""
    app = hasty(launch, **_limits(unread_s=unread_s))
    with Client(app.api.post("servers", definition("udp", limits={"replies_per_s": 0}))) as client:
        _fill_log(client)
    whole = len(app.api.call("GET", _EXPORT.removeprefix("/api/v1/")).content)
    assert whole >= _UNREAD_BYTES
    base = rss(app.pid)
    with ExitStack() as stack:
        for _ in range(_DEAF):
            stack.enter_context(visitor(app, BAD, room=4096)).sendall(header(_EXPORT))
        slow = stack.enter_context(visitor(app, room=4096))
        slow.sendall(header(_EXPORT, Connection="close"))
        pause, got, peak = threading.Event(), 0, 0
        while part := slow.recv(4096):
            got, peak = got + len(part), max(peak, rss(app.pid))
            pause.wait(0.001)
        assert got >= whole
        assert peak - base <= _DEAF * _OF_ONE < _DEAF * whole // 2
        _cut_as_unread(app, _DEAF, unread_s or 30.0)


def _fill_log(client: Client) -> None:
    for _ in range(_UNREAD_BYTES // 1024):
        client.ask(b"x" * 1024)


def _cut_as_unread(app: RunningApp, count: int, after_s: float) -> None:
    equal(lambda: _told(app, _UNREAD), count, 1.5 * after_s + DEADLINE_S)


def _told(app: RunningApp, why: str) -> int:
    """How many were closed for that, as the log has it."""
    return sum(int(found) for found in re.findall(rf"(\d+) {why}", app.log))


def _limits(**limits: float | None) -> dict[str, float]:
    return {name: value for name, value in limits.items() if value is not None}


def _post(length: int) -> bytes:
    return header(
        "/api/v1/servers", "POST", Content_Type="application/json", Content_Length=length
    )


def _is_readable(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0)[0])


def _is_over(client: socket.socket) -> bool:
    """After all that came was read."""
    client.setblocking(False)
    try:
        while client.recv(65536):
            pass
    except BlockingIOError:
        return False
    return True
