"""R27: a request of a gigabyte takes no memory: kept are its beginning, its length, its digest."""

from __future__ import annotations

import hashlib

import pytest

from tests.clients import Client
from tests.promises.proc import rss
from tests.promises.serving import short_and_full
from tests.running import RunningApp, definition
from tests.waiting import eventually

MIB = 1024 * 1024
KEPT = 64 * 1024

#: What its measuring may be off by, and the garbage that Python gives back late.
MOST = 2 * MIB


@pytest.mark.timeout(170)
@short_and_full("mibs", 64, 1024)
def test_r27_huge_request(app_process: RunningApp, mibs: int) -> None:
    api = app_process.api
    server = api.post("servers", definition(name="sink", handler="discard"))
    block = bytes(MIB)
    digest = hashlib.sha256()
    with Client(server) as client:
        for _ in range(mibs // 4):  # until its tape has all the chunks that it may have
            client.sock.sendall(block)
            digest.update(block)
        eventually(lambda: api.get("servers/sink")["bytes_in"] == mibs // 4 * MIB)
        before = rss(app_process.pid)
        for _ in range(mibs - mibs // 4):
            client.sock.sendall(block)
            digest.update(block)
        eventually(lambda: api.get("servers/sink")["bytes_in"] == mibs * MIB)
        assert rss(app_process.pid) - before <= MOST
        client.end()
    (row,) = api.finished("sink", 1)
    received = api.get(f"requests/{row['id']}")["received"]
    assert received["bytes"] == mibs * MIB
    assert received["sha256"] == digest.hexdigest()
    assert received["truncated"]
    kept = api.call("GET", f"requests/{row['id']}/received").content
    assert kept == bytes(KEPT)
