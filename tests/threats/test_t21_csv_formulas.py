"""T21: no cell of an export is a formula for the sheet that opens it, nor ends its row.

CSV is for reading: what would be a formula has a quote before it, what controls is spelt out.
JSON Lines is the exact form.
"""

from __future__ import annotations

import base64
import csv
import io
import json

import pytest

from tests.clients import Client
from tests.conftest import MakeServer
from tests.hostile import PAYLOADS, controls
from tests.running import Api

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


@pytest.fixture
def talked(api: Api, make_server: MakeServer, raising: str) -> str:
    """The name of a server that raised what it was sent, the whole corpus."""
    server = make_server(handler=raising)
    for payload in PAYLOADS:
        with Client(server) as client:
            client.say(payload.data)
    api.finished(server["name"], len(PAYLOADS))
    return str(server["name"])


def export(api: Api, server: str, form: str) -> bytes:
    answer = api.call("GET", "requests/export", params={"format": form, "server": server})
    assert answer.status_code == 200
    return bytes(answer.content)


def test_t21_a_cell_is_never_a_formula(api: Api, talked: str) -> None:
    text = export(api, talked, "csv").decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert len({row["id"] for row in rows}) == len(rows)
    assert len(rows) == len(PAYLOADS), [(row["peer"], row["received"][:60]) for row in rows]
    assert text.count("\r\n") == 1 + len(PAYLOADS)
    assert controls(text, "\r\n") == set()
    for row in rows:
        assert None not in row  # no payload made a cell of its own
        for cell in row.values():
            assert not cell.startswith(FORMULA)
    received = {row["received"] for row in rows}
    assert "'=cmd|' /C calc'!A0" in received
    assert "'@SUM(1+1)*cmd|' /C calc'!A0" in received
    assert "'\\t=1+1" in received
    assert 'x",=1+1\\r\\n=2+2,"' in received


def test_t21_json_lines_are_exact(api: Api, talked: str) -> None:
    exported = export(api, talked, "jsonl")
    lines = exported.split(b"\n")[:-1]
    found = {base64.b64decode(json.loads(line)["received"]["base64"]) for line in lines}
    # Whoever splits lines as Unicode does must find as many; the handler raised at 100 bytes.
    assert len(exported.decode().splitlines()) == len(PAYLOADS)
    assert {data[:100] for data in found} == {payload.data[:100] for payload in PAYLOADS}
