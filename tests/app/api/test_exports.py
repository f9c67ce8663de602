"""The log as files over REST: what they hold, how they are named, that no browser runs them."""

from __future__ import annotations

import csv
import io
import re

import httpx2
import pytest

from app.export import jsonl
from tests.clients import ask
from tests.conftest import MakeServer
from tests.running import Api
from tests.waiting import equal

HOSTILE = b"<script>alert(1)</script>\r\n=cmd|' /C calc'!A0"


@pytest.fixture
def talked(api: Api, make_server: MakeServer) -> str:
    server = make_server()
    for said in (b"one", "二".encode(), HOSTILE):
        ask(server, said)
    api.finished(server["name"], 3)
    return str(server["name"])


def test_csv_has_a_row_for_each_that_is_found(api: Api, talked: str) -> None:
    answer = api.call("GET", "requests/export", params={"format": "csv", "server": talked})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["x-rows"] == "3"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["server"] for row in rows] == [talked] * 3
    assert sum("二" in row["received"] for row in rows) == 1


def test_jsonl_is_exact(api: Api, talked: str) -> None:
    answer = api.call(
        "GET", "requests/export", params={"format": "jsonl", "q": f"server:{talked} script"}
    )
    (line,) = answer.content.splitlines()
    detail = jsonl.decode(line)
    assert detail.received.prefix == detail.sent.prefix == HOSTILE
    assert detail.summary.server == talked


def test_pcapng_is_one(api: Api, talked: str) -> None:
    answer = api.call("GET", "requests/export", params={"format": "pcapng", "server": talked})
    assert answer.headers["content-type"] == "application/x-pcapng"
    assert answer.content.startswith(b"\x0a\x0d\x0d\x0a")
    assert HOSTILE in answer.content


@pytest.mark.parametrize("form", ["csv", "jsonl", "pcapng"])
def test_nothing_found_is_a_file_too(api: Api, talked: str, form: str) -> None:
    params = {"format": form, "q": f"server:{talked} nothing-like-it"}
    answer = api.call("GET", "requests/export", params=params)
    assert (answer.status_code, answer.headers["x-rows"]) == (200, "0")
    assert (answer.content == b"") is (form == "jsonl")


@pytest.mark.parametrize("form", ["csv", "jsonl", "pcapng"])
def test_a_file_is_saved_and_not_shown(api: Api, talked: str, form: str) -> None:
    answer = api.call("GET", "requests/export", params={"format": form, "server": talked})
    name = rf'attachment; filename="requests-\d{{8}}-\d{{6}}\.{form}"'
    assert re.fullmatch(name, answer.headers["content-disposition"])
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("direction", ["received", "sent"])
def test_bytes_of_one_direction_as_they_were(api: Api, talked: str, direction: str) -> None:
    (row,) = api.get("requests", q=f"server:{talked} script")["items"]
    answer = api.call("GET", f"requests/{row['id']}/{direction}")
    assert answer.content == HOSTILE
    assert answer.headers["content-type"] == "application/octet-stream"
    name = f'attachment; filename="{row["id"]}-{direction}.bin"'
    assert answer.headers["content-disposition"] == name
    assert answer.headers["x-total-bytes"] == str(len(HOSTILE))
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_what_is_wrong_is_said(api: Api) -> None:
    problem = api.refused(422, "GET", "requests/export", params={"format": "xlsx"})
    assert problem["field"] == "format"
    problem = api.refused(422, "GET", "requests/export", params={"format": "csv", "q": "a:b"})
    assert problem["field"] == "q"
    assert api.refused(404, "GET", "requests/20010101-1/sent")["code"] == "request_not_found"
    api.refused(422, "GET", "requests/20010101-1/sideways")


def test_an_export_with_a_name_is_followed(api: Api, talked: str) -> None:
    name = "00000000000000a1"
    assert api.refused(404, "GET", f"log/exports/{name}")["code"] == "export_not_found"
    params = {"format": "jsonl", "server": talked, "follow": name}
    assert len(api.call("GET", "requests/export", params=params).content.splitlines()) == 3
    done = {"rows": 3, "about": 3, "exact": True, "state": "done"}
    assert api.get(f"log/exports/{name}") == done
    assert api.done("DELETE", f"log/exports/{name}") == done
    again = api.refused(409, "GET", "requests/export", params=params)
    assert again["code"] == "export_exists"
    for wrong in ("x", "../0000000000001", "0" * 17):
        assert api.call("GET", "requests/export", params={**params, "follow": wrong}).is_error


@pytest.fixture
def large(api: Api, make_server: MakeServer) -> str:
    """The name of a server with 17 MB of export: more than what is on the way at a time."""
    server = make_server()
    for _ in range(100):
        ask(server, bytes(range(256)) * 256)  # 64 KiB
    api.finished(server["name"], 100)
    return str(server["name"])


def test_one_that_is_stopped_is_no_whole_answer(api: Api, large: str) -> None:
    name = "00000000000000a2"
    params = {"format": "jsonl", "server": large, "follow": name}
    with api.client.stream("GET", "/api/v1/requests/export", params=params) as answer:
        pieces = answer.iter_bytes(65_536)
        next(pieces)
        assert api.done("DELETE", f"log/exports/{name}")["state"] == "cancelled"
        with pytest.raises(httpx2.RemoteProtocolError):
            list(pieces)
    stopped = api.get(f"log/exports/{name}")
    assert (stopped["state"], stopped["about"]) == ("cancelled", 100)
    assert stopped["rows"] < 100


def test_one_that_its_client_leaves_is_broken(api: Api, large: str) -> None:
    name = "00000000000000a3"
    params = {"format": "jsonl", "server": large, "follow": name}
    with api.client.stream("GET", "/api/v1/requests/export", params=params) as answer:
        next(answer.iter_bytes(65_536))
    equal(lambda: api.get(f"log/exports/{name}")["state"], "broken")
