"""The contract of shapes: what programs of others read and rely on from now on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import TRANSPORTS, Client
from tests.conftest import MakeServer
from tests.running import Api, Json

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")

SERVER = {
    "name": str,
    "transport": str,
    "concurrency": str,
    "isolation": str,
    "handler": str,
    "handler_options": dict,
    "address": dict,
    "limits": dict,
    "tls": type(None),
    "capture": dict,
    "wanted": str,
    "state": str,
    "error": type(None),
    "pid": int,
    "fileno": int,
    "server_address": list,
    "created_at": str,
    "started_at": str,
    "connections": int,
    "connections_total": int,
    "requests_total": int,
    "errors_total": int,
    "refused_total": int,
    "dropped_total": int,
    "suppressed_total": int,
    "overdue_total": int,
    "bytes_in": int,
    "bytes_out": int,
}
CONNECTION = {
    "id": int,
    "peer": str,
    "opened_at": str,
    "idle_s": float,
    "bytes_in": int,
    "bytes_out": int,
    "fileno": int,
    "thread": str,
    "tls": type(None),
    "certificate": type(None),
}
REQUEST = {
    "id": str,
    "server": str,
    "peer": str,
    "connection_id": int,
    "started_at": str,
    "duration_us": int,
    "bytes_in": int,
    "bytes_out": int,
    "outcome": str,
    "closed_by": str,
    "error": type(None),
    "preview": str,
    "transport": str,
    "address": str,
    "truncated": bool,
}
PAYLOAD = {"base64": str, "text": str, "bytes": int, "truncated": bool, "sha256": str}
DETAIL = REQUEST | {"traceback": type(None), "received": dict, "sent": dict, "tape": list}
CHUNK = {"direction": str, "offset_us": int, "bytes": int}
STATS = {
    "received": int,
    "stored": int,
    "dropped": int,
    "pending": int,
    "durable_seq": int,
    "oldest": str,
    "newest": str,
    "bytes": int,
    "writer_lag_ms": int,
    "index_lag_rows": int,
    "state": str,
    "error": type(None),
    "failures": int,
}
GAP = {"reason": str, "began_at": str, "ended_at": str, "missing": int, "after": str}


RETENTION = {
    "max_age_days": int,
    "max_bytes": int,
    "bytes": int,
    "oldest": str,
    "bytes_per_day": int,
    "days_left": type(None),
}


def shape(value: Json) -> dict[str, type]:
    return {key: type(part) for key, part in value.items()}


def times(value: Json) -> Iterator[str]:
    """Every value whose name says that it is a moment."""
    for key, part in value.items():
        if key.endswith("_at") and part is not None:
            yield part


def test_server_has_its_fields(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    assert shape(server) == SERVER
    assert shape(server["limits"]) == {
        "max_connections": int,
        "max_connections_per_address": int,
        "idle_timeout_s": float,
        "send_timeout_s": float,
        "handshake_timeout_s": float,
        "handler_timeout_s": float,
        "max_threads": int,
        "max_queue": int,
        "max_children": int,
        "backlog": int,
        "replies_per_s": int,
        "replies_from_port": int,
    }
    assert server["capture"] == {"policy": "full", "bytes": 65_536, "mask": []}
    assert all(TIME.fullmatch(moment) for moment in times(server))
    (listed,) = [s for s in api.get("servers")["items"] if s["name"] == server["name"]]
    assert listed == server


def test_stopped_server_has_no_descriptor_and_no_address(make_server: MakeServer) -> None:
    server = make_server(wanted="stopped")
    nothing = dict.fromkeys(("pid", "fileno", "server_address", "started_at"), type(None))
    assert shape(server) == SERVER | nothing


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_bound_address_is_a_pair_or_a_path(make_server: MakeServer, transport: str) -> None:
    server = make_server(transport)
    bound = server["server_address"]
    if transport in ("tcp", "udp"):
        host, port = bound
        assert (host, type(port)) == ("127.0.0.1", int)
        assert shape(server["address"]) == {"host": str, "port": int}
    else:
        assert Path(bound).is_absolute()
        assert Path(bound).name == server["address"]["name"]
        assert shape(server["address"]) == {"name": str}


def test_connection_has_its_fields(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"hello")
        (connection,) = api.connections(server["name"])
    assert shape(connection) == CONNECTION
    assert all(TIME.fullmatch(moment) for moment in times(connection))


def test_datagram_peer_has_no_descriptor(api: Api, make_server: MakeServer) -> None:
    server = make_server("udp")
    with Client(server) as client:
        client.ask(b"hello")
        (connection,) = api.connections(server["name"])
    assert connection["fileno"] is None
    assert set(connection) == set(CONNECTION)


def test_request_has_its_fields(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client:
        client.ask(b"hello")
    (row,) = api.finished(server["name"], 1)
    assert shape(row) == REQUEST
    assert all(TIME.fullmatch(moment) for moment in times(row))
    detail = api.get(f"requests/{row['id']}")
    assert shape(detail) == DETAIL
    assert shape(detail["received"]) == shape(detail["sent"]) == PAYLOAD
    assert [shape(chunk) for chunk in detail["tape"]] == [CHUNK, CHUNK]
    assert shape(api.get("log/stats")) == STATS
    assert shape(api.get("log/retention")) == RETENTION
    assert shape(api.get("log/days")["items"][0]) == {"day": str, "bytes": int, "rows": int}


@pytest.mark.parametrize("path", ["servers", "requests", "log/days", "kinds", "handlers"])
def test_list_is_items_and_next(api: Api, path: str) -> None:
    page = api.get(path)
    more = {"newer", "partial", "gaps"} if path == "requests" else set()
    assert set(page) == {"items", "next"} | more
    assert isinstance(page["items"], list)


def test_answers_without_content_have_none(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    response = api.call("DELETE", f"servers/{server['name']}")
    assert (response.status_code, response.content) == (204, b"")


def test_creation_is_201(api: Api, make_server: MakeServer) -> None:
    server = make_server(wanted="stopped")
    body = {"name": "was-201", **{k: server[k] for k in ("transport", "concurrency", "handler")}}
    response = api.call("POST", "servers", json={**body, "address": server["address"]})
    assert response.status_code == 201
    api.delete("servers/was-201")


@pytest.fixture(scope="module")
def openapi(app_thread: Any) -> Json:
    return app_thread.api.get("openapi.json")


def operations(openapi: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


#: The operation ids: clients that were made from them keep them.
OPERATIONS = {
    ("get", "/api/v1/servers"): "listServers",
    ("post", "/api/v1/servers"): "createServer",
    ("get", "/api/v1/servers/{name}"): "getServer",
    ("patch", "/api/v1/servers/{name}"): "updateServer",
    ("delete", "/api/v1/servers/{name}"): "deleteServer",
    ("post", "/api/v1/servers/{name}/start"): "startServer",
    ("post", "/api/v1/servers/{name}/stop"): "stopServer",
    ("post", "/api/v1/servers/{name}/restart"): "restartServer",
    ("get", "/api/v1/servers/{name}/connections"): "listConnections",
    ("delete", "/api/v1/servers/{name}/connections/{connection_id}"): "disconnect",
    ("get", "/api/v1/requests"): "listRequests",
    ("get", "/api/v1/requests/count"): "countRequests",
    ("get", "/api/v1/requests/export"): "exportRequests",
    ("get", "/api/v1/requests/{request_id}"): "getRequest",
    ("get", "/api/v1/requests/{request_id}/{direction}"): "getPayload",
    ("get", "/api/v1/log/stats"): "getLogStats",
    ("get", "/api/v1/log/retention"): "getRetention",
    ("patch", "/api/v1/log/retention"): "updateRetention",
    ("get", "/api/v1/log/days"): "listLogDays",
    ("get", "/api/v1/log/exports/{export_id}"): "getExport",
    ("delete", "/api/v1/log/exports/{export_id}"): "cancelExport",
    ("post", "/api/v1/log/deletions"): "planDeletion",
    ("get", "/api/v1/log/deletions/{deletion_id}"): "getDeletion",
    ("delete", "/api/v1/log/deletions/{deletion_id}"): "cancelDeletion",
    ("post", "/api/v1/log/deletions/{deletion_id}/confirm"): "confirmDeletion",
    ("delete", "/api/v1/log/days/{day}"): "deleteLogDay",
    ("get", "/api/v1/kinds"): "listKinds",
    ("get", "/api/v1/handlers"): "listHandlers",
    ("post", "/api/v1/handlers/rescan"): "rescanHandlers",
    ("get", "/api/v1/events"): "watchEvents",
    ("get", "/api/v1/health"): "getHealth",
}


def test_operation_ids_are_explicit_and_stay(openapi: Json) -> None:
    found = {(method, path): o["operationId"] for method, path, o in operations(openapi)}
    assert found.items() >= OPERATIONS.items()
    assert len(set(found.values())) == len(found)
    made_up = [name for name in found.values() if not re.fullmatch(r"[a-z]+[A-Za-z]*", name)]
    assert made_up == [], "made from the path by the framework"


def test_every_operation_is_in_a_group_and_answers_a_schema(openapi: Json) -> None:
    for method, path, operation in operations(openapi):
        assert operation["tags"], (method, path)
        assert any(status.startswith("2") for status in operation["responses"]), (method, path)


def test_errors_are_described_as_problem_documents(openapi: Json) -> None:
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    found = 0
    for method, path, operation in operations(openapi):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")):
                found += 1
                content = response.get("content")
                assert content == {"application/problem+json": problem}, (method, path, status)
    assert found > 20


def test_every_reference_leads_somewhere(openapi: Json) -> None:
    def references(value: Json) -> Iterator[str]:
        if isinstance(value, dict):
            for key, part in value.items():
                if key == "$ref":
                    yield part
                else:
                    yield from references(part)
        elif isinstance(value, list):
            for part in value:
                yield from references(part)

    schemas = openapi["components"]["schemas"]
    missing = {
        r for r in references(openapi) if r.removeprefix("#/components/schemas/") not in schemas
    }
    assert missing == set()


def test_operations_that_name_a_server_can_be_404(openapi: Json) -> None:
    for method, path, operation in operations(openapi):
        if "{" in path:
            assert "404" in operation["responses"], (method, path)


def test_routes_with_a_body_describe_it(openapi: Json) -> None:
    for path, method in (("/api/v1/servers", "post"), ("/api/v1/servers/{name}", "patch")):
        body = openapi["paths"][path][method]["requestBody"]
        (content,) = body["content"].values()
        name = content["schema"]["$ref"].rpartition("/")[2]
        fields = openapi["components"]["schemas"][name]["properties"]
        assert set(fields) == {
            *("name", "transport", "concurrency", "isolation", "handler", "handler_options"),
            *("address", "limits", "tls", "capture", "wanted"),
        }
    capture = openapi["components"]["schemas"]["CaptureBody"]["properties"]
    assert set(capture) == {"policy", "bytes", "mask"}
