"""T2: bytes of strangers are saved as they are, and no browser shows them as a page of ours."""

from __future__ import annotations

import pytest

from tests.clients import Client
from tests.conftest import MakeServer
from tests.hostile import of
from tests.running import Api

RAW = {
    "content-type": "application/octet-stream",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "no-store",
}


def test_t02_raw_bytes_are_an_attachment(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    for payload in of("html", "encoding"):
        with Client(server) as client:
            assert client.ask(payload.data) == payload.data
    sent = {payload.data for payload in of("html", "encoding")}
    for row in api.finished(server["name"], len(sent)):
        for direction in ("received", "sent"):
            answer = api.call("GET", f"requests/{row['id']}/{direction}")
            assert answer.content in sent
            assert {name: answer.headers.get(name) for name in RAW} == RAW
            assert answer.headers["content-disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("form", ["csv", "jsonl", "pcapng"])
def test_t02_exports_are_attachments(api: Api, form: str) -> None:
    answer = api.call("GET", "requests/export", params={"format": form})
    wanted = {name: value for name, value in RAW.items() if name != "content-type"}
    assert {name: answer.headers.get(name) for name in wanted} == wanted
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert "html" not in answer.headers["content-type"]
