"""Searching the log over REST: the line, the cursors, the count, and lines that are wrong."""

from __future__ import annotations

import pytest

from tests.clients import ask
from tests.conftest import MakeServer
from tests.running import Api, Json


@pytest.fixture
def talked(api: Api, make_server: MakeServer) -> str:
    """A server that was told five things. Its name."""
    server = make_server()
    for said in (b"Ping 1", b"pong", "温度 21".encode(), b"\x00\xff\r\n", b"PING 2"):
        ask(server, said)
    api.finished(server["name"], 5)
    return str(server["name"])


def found(api: Api, name: str, line: str, **more: object) -> list[str]:
    page: Json = api.get("requests", q=f"server:{name} {line}", **more)
    return [row["preview"] for row in page["items"]]


@pytest.mark.parametrize(
    ("line", "previews"),
    [
        ("ping", ["PING 2", "Ping 1"]),
        ('"ping 1"', ["Ping 1"]),
        ("ping -2", ["Ping 1"]),
        ("温度", ["温度 21"]),
        ("度", ["温度 21"]),
        ("hex:0d0a", ["\x00\ufffd\r\n"]),
        ("hex:70696e67", []),
        ("kind:udp", []),
        ("kind:tcp size:>=18", ["温度 21"]),
        ("after:-1h pong", ["pong"]),
        ("before:2001-01-01", []),
        ("dir:out pong", ["pong"]),
        ("peer:127.0.0. pong", ["pong"]),
        ("outcome:ok pong", ["pong"]),
        ("-outcome:ok", []),
    ],
)
def test_line_finds(api: Api, talked: str, line: str, previews: list[str]) -> None:
    assert found(api, talked, line) == previews
    count = api.get("requests/count", q=f"server:{talked} {line}")
    assert count == {"rows": len(previews), "exact": True}


def test_name_of_a_server_adds_to_the_line(api: Api, talked: str) -> None:
    page = api.get("requests", q="ping", server=talked)
    assert [row["preview"] for row in page["items"]] == ["PING 2", "Ping 1"]
    assert api.get("requests/count", server=talked) == {"rows": 5, "exact": True}


def test_cursors_go_both_ways(api: Api, talked: str) -> None:
    first = api.get("requests", server=talked, limit=2)
    second = api.get("requests", server=talked, limit=2, before=first["next"])
    back = api.get("requests", server=talked, limit=2, after=second["newer"])
    assert back["items"] == first["items"]
    assert back["newer"] is None
    assert len(second["items"]) == 2


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"q": "colour:red"}, "search_unknown_key", "q"),
        ({"q": '"open'}, "search_open_quote", "q"),
        ({"q": "hex:0"}, "search_bad_hex", "q"),
        ({"q": "x", "before": "nowhere"}, "bad_cursor", "before"),
        ({"q": "x", "after": "nowhere"}, "bad_cursor", "after"),
        ({"before": "20260101-1", "after": "20260101-1"}, "two_cursors", "after"),
    ],
)
def test_what_is_wrong_is_said(api: Api, params: dict[str, str], code: str, field: str) -> None:
    problem = api.refused(422, "GET", "requests", params=params)
    assert (problem["code"], problem["field"]) == (code, field)


def test_what_the_log_holds_is_told(api: Api, talked: str) -> None:
    stats = api.get("log/stats")
    newest = api.get("requests", limit=1)["items"][0]
    assert stats["durable_seq"] >= int(newest["id"].partition("-")[2])
    assert stats["oldest"] <= stats["newest"]
    assert stats["bytes"] > 4096
    assert 5 <= stats["index_lag_rows"] <= stats["durable_seq"]
