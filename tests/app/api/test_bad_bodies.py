"""Bodies and addresses that are no proper ones: refused by what they are, with nothing changed."""

from __future__ import annotations

import json
import socket

import pytest

from app.guards import BODY_LIMIT
from tests.conftest import MakeServer
from tests.running import Api, Json, definition, free_port

#: (content type, body, status, code)
BODIES = [
    ("application/json", b"", 400, "invalid_json"),
    ("application/json", b"{", 400, "invalid_json"),
    ("application/json", b'{"name": "a",}', 400, "invalid_json"),
    ("application/json", b"\xff\xfe\x00", 400, "invalid_json"),
    ("application/json", b"[" * 100_000, 400, "invalid_json"),
    ("application/json", b"[]", 422, "wrong_type"),
    ("application/json", b'"text"', 422, "wrong_type"),
    ("application/json", b"null", 422, "wrong_type"),
    ("application/x-www-form-urlencoded", b"name=a", 415, "not_json"),
    ("text/plain", b"{}", 415, "not_json"),
    ("multipart/form-data; boundary=x", b"--x--", 415, "not_json"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(("method", "path"), [("POST", "servers"), ("PATCH", "servers/fixed")])
@pytest.mark.parametrize(("kind", "body", "status", "code"), BODIES)
def test_body_must_be_a_json_object(
    api: Api, method: str, path: str, kind: str, body: bytes, status: int, code: str
) -> None:
    problem = api.refused(status, method, path, content=body, headers={"content-type": kind})
    assert problem["code"] == code


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("announced", [True, False])
def test_body_of_two_mebibytes_is_too_large(api: Api, announced: bool) -> None:
    whole = json.dumps(definition(handler_options={"x": "y" * 2 * BODY_LIMIT})).encode()
    parts = (whole[i : i + 65_536] for i in range(0, len(whole), 65_536))
    problem = api.refused(
        413,
        "POST",
        "servers",
        content=whole if announced else parts,
        headers={"content-type": "application/json"},
    )
    assert problem["code"] == "body_too_large"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "servers/nobody"),
        ("PATCH", "servers/nobody"),
        ("DELETE", "servers/nobody"),
        ("POST", "servers/nobody/start"),
        ("POST", "servers/nobody/stop"),
        ("POST", "servers/nobody/restart"),
        ("GET", "servers/nobody/connections"),
        ("GET", "servers/%3Cb%3E"),
        ("GET", f"servers/{'n' * 5000}"),
    ],
)
def test_server_that_is_not_there_is_404(api: Api, method: str, path: str) -> None:
    body: Json = {"json": {}} if method == "PATCH" else {}
    assert api.refused(404, method, path, **body)["code"] == "server_not_found"


def test_json_numbers_beyond_reason_are_refused(api: Api) -> None:
    for port in ("1e999", "-1e999", "NaN", "9" * 5000):
        text = json.dumps(definition(address={"host": "127.0.0.1", "port": "PORT"})).replace(
            '"PORT"', port
        )
        response = api.call(
            "POST", "servers", content=text, headers={"content-type": "application/json"}
        )
        assert response.status_code in (400, 422)
        assert response.json()["code"] in ("invalid_json", "wrong_type", "port_range")


def test_free_port_is_free_again_after_a_refusal(api: Api, make_server: MakeServer) -> None:
    """A definition that is refused for its name has not bound its port."""
    port = free_port()
    address = {"host": "127.0.0.1", "port": port}
    taken = make_server()["name"]
    api.refused(409, "POST", "servers", json=definition(name=taken, address=address))
    with socket.create_server(("127.0.0.1", port)):
        pass
