"""The request log over REST: rows, pages of them, and one with its payloads."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

import pytest

from app.services.requests import MOST_ROWS
from tests.app.soon import SOON_S
from tests.clients import Client, ask
from tests.conftest import MakeServer
from tests.running import Api, Json
from tests.waiting import equal, eventually


def test_row_is_there_within_a_second_while_the_client_stays(
    api: Api, make_server: MakeServer
) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"hello\r\n")
        row = eventually(lambda: api.requests(server["name"])[:1], SOON_S)[0]
        assert (row["outcome"], row["closed_by"], row["peer"]) == ("open", None, client.peer)
        equal(lambda: api.requests(server["name"])[0]["bytes_in"], 7, SOON_S)
        client.ask(b"more\r\n")
        equal(lambda: api.requests(server["name"])[0]["bytes_in"], 13, SOON_S)
        assert api.get(f"requests/{row['id']}")["received"]["text"] == "hello\r\nmore\r\n"
    (over,) = api.finished(server["name"], 1)
    assert over["id"] == row["id"], "it is the same row to its end"
    assert (over["outcome"], over["closed_by"], over["bytes_in"]) == ("ok", "client", 13)


def test_request_reads_back_with_both_payloads(api: Api, make_server: MakeServer) -> None:
    server = make_server(handler_options={"upper": True})
    with Client(server) as client:
        assert client.ask(b"hello") == b"HELLO"
    (row,) = api.finished(server["name"], 1)
    detail = api.get(f"requests/{row['id']}")
    assert {key: detail[key] for key in row} == row
    for side, data in (("received", b"hello"), ("sent", b"HELLO")):
        assert detail[side] == {
            "base64": base64.b64encode(data).decode(),
            "text": data.decode(),
            "bytes": 5,
            "truncated": False,
            "sha256": hashlib.sha256(data).hexdigest(),
        }
    assert [(chunk["direction"], chunk["bytes"]) for chunk in detail["tape"]] == [
        ("in", 5),
        ("out", 5),
    ]
    offsets = [chunk["offset_us"] for chunk in detail["tape"]]
    assert offsets == sorted(offsets)
    assert offsets[-1] <= detail["duration_us"]
    assert detail["traceback"] is detail["error"] is None


def test_empty_connection_is_a_request_too(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.end()
        assert client.sees_the_end(SOON_S)
    (row,) = api.finished(server["name"], 1)
    assert (row["bytes_in"], row["bytes_out"], row["preview"]) == (0, 0, "")
    detail = api.get(f"requests/{row['id']}")
    assert (detail["tape"], detail["received"]["base64"]) == ([], "")


def test_newest_comes_first_page_by_page(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    name = server["name"]
    for number in range(5):
        ask(server, b"%d" % number)
        api.finished(name, number + 1)
    pages: list[list[str]] = []
    before: str | None = None
    while before is not None or not pages:
        cursor = {} if before is None else {"before": before}
        page = api.get("requests", server=name, limit=2, **cursor)
        pages.append([row["preview"] for row in page["items"]])
        before = page["next"]
    assert pages == [["4", "3"], ["2", "1"], ["0"]]


def test_page_stays_the_same_while_new_rows_come(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    name = server["name"]
    for number in range(4):
        ask(server, b"old %d" % number)
    api.finished(name, 4)
    first = api.get("requests", server=name, limit=2)
    second = api.get("requests", server=name, limit=2, before=first["next"])
    ask(server, b"new")
    api.finished(name, 5)
    assert api.get("requests", server=name, limit=2, before=first["next"]) == second


def test_last_page_of_exactly_the_limit_has_no_next(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    ask(server, b"1")
    ask(server, b"2")
    api.finished(server["name"], 2)
    assert api.get("requests", server=server["name"], limit=2)["next"] is None


def test_rows_of_one_server_are_its_own(api: Api, make_server: MakeServer) -> None:
    one, other = make_server(), make_server()
    ask(one, b"to one")
    ask(other, b"to the other")
    api.finished(other["name"], 1)
    (row,) = api.finished(one["name"], 1)
    assert row["preview"] == "to one"
    everybody = {row["server"] for row in api.requests()}
    assert {one["name"], other["name"]} <= everybody


def test_server_that_nobody_asked_has_an_empty_page(api: Api) -> None:
    page = api.get("requests", server="nobody-at-all")
    page.pop("gaps")  # those of the whole log, if there are any
    assert page == {"items": [], "next": None, "newer": None, "partial": False}


def test_log_outlives_its_server(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    ask(server, b"remember me")
    (row,) = api.finished(server["name"], 1)
    api.delete(f"servers/{server['name']}")
    assert api.requests(server["name"]) == [row]
    assert api.get(f"requests/{row['id']}")["received"]["text"] == "remember me"


def test_error_of_a_handler_is_kept_with_its_traceback(
    api: Api, make_server: MakeServer, raising: str
) -> None:
    server = make_server(handler=raising)
    with Client(server) as client:
        client.send(b"break")
        assert client.sees_the_end(SOON_S)
    (row,) = api.finished(server["name"], 1)
    assert (row["outcome"], row["closed_by"]) == ("error", "handler")
    assert row["error"] == "ValueError: cannot do b'break'"
    detail = api.get(f"requests/{row['id']}")
    assert detail["traceback"].startswith("Traceback (most recent call last)")
    assert "raising_on_purpose.py" in detail["traceback"]
    assert api.get(f"servers/{server['name']}")["errors_total"] == 1


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ("limit=0", "limit_range", "limit"),
        (f"limit={MOST_ROWS + 1}", "limit_range", "limit"),
        ("limit=many", "wrong_type", "limit"),
        ("before=yesterday", "bad_cursor", "before"),
        ("before=20260101-99999999999999999999", "bad_cursor", "before"),
        ("before=", "bad_cursor", "before"),
    ],
)
def test_page_that_cannot_be_says_why(api: Api, query: str, code: str, field: str) -> None:
    problem = api.refused(422, "GET", f"requests?{query}")
    assert (problem["code"], problem["field"]) == (code, field)


@pytest.mark.parametrize(
    "number", ["20200101-1", "99999999-1", "nonsense", "20260101-1.5", "..%2F..%2Fetc%2Fpasswd"]
)
def test_request_that_is_not_there_is_404(api: Api, number: str) -> None:
    problem = api.refused(404, "GET", f"requests/{number}")
    assert problem["code"] in ("request_not_found", "not_found")


def test_ids_are_days_and_rise(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    ask(server, b"1")
    api.finished(server["name"], 1)
    ask(server, b"2")
    newest, oldest = api.finished(server["name"], 2)
    for row in (newest, oldest):
        day, _, number = row["id"].partition("-")
        assert datetime.fromisoformat(row["started_at"]).strftime("%Y%m%d") == day
        assert number.isdecimal()
    assert int(newest["id"].partition("-")[2]) > int(oldest["id"].partition("-")[2])


def test_accounts_of_the_log_add_up(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    before = api.get("log/stats")
    for number in range(5):
        ask(server, b"%d" % number)
    api.finished(server["name"], 5)
    stats = eventually(lambda: _settled(api))
    assert stats["received"] == stats["stored"] + stats["dropped"] + stats["pending"]
    assert stats["stored"] - before["stored"] >= 5
    assert (stats["dropped"], stats["state"], stats["error"]) == (0, "ok", None)


def _settled(api: Api) -> Json:
    stats = api.get("log/stats")
    assert stats["pending"] == 0
    return stats


def test_an_empty_server_means_every_server(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"hello")
    api.finished(server["name"], 1)
    assert api.get("requests", server="", limit=1) == api.get("requests", limit=1)
