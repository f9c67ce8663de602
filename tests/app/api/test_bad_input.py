"""What is refused: each with its own code, the field at fault, a way out; and nothing changed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.conftest import MakeServer
from tests.running import Api, AppThread, definition, short_folder

PORTS = (20000, 20019)


@pytest.fixture(scope="module")
def narrow() -> Iterator[AppThread]:
    """An app whose servers may have few ports only."""
    with short_folder() as folder:
        app = AppThread(folder, listen_ports=(PORTS,))
        yield app
        app.close()


def inet(host: object = "127.0.0.1", port: object = 0) -> dict[str, object]:
    return {"address": {"host": host, "port": port}}


LONG = "x" * 300

#: (what differs from a good create body, code, field)
REFUSED = [
    ({"name": "Upper"}, "name_malformed", "name"),
    ({"name": ""}, "name_malformed", "name"),
    ({"name": "-dash"}, "name_malformed", "name"),
    ({"name": "under_score"}, "name_malformed", "name"),
    ({"name": "new\n"}, "name_malformed", "name"),
    ({"name": "../etc"}, "name_malformed", "name"),
    ({"name": "a" * 64}, "name_malformed", "name"),
    ({"name": "<b>"}, "name_malformed", "name"),
    ({"name": 7}, "wrong_type", "name"),
    ({"name": None}, "wrong_type", "name"),
    ({"transport": "sctp"}, "unknown_transport", "transport"),
    ({"transport": ["tcp"]}, "wrong_type", "transport"),
    ({"concurrency": "forked"}, "unknown_concurrency", "concurrency"),
    ({"transport": "udp", "concurrency": "event"}, "unknown_kind", "concurrency"),
    ({"isolation": "jail"}, "unknown_isolation", "isolation"),
    (
        {"concurrency": "forking", "isolation": "thread"},
        "forking_needs_process",
        "isolation",
    ),
    ({"tls": "yes"}, "wrong_type", "tls"),
    ({"tls": {}}, "missing_field", "tls.certificate"),
    ({"tls": {"certificate": "nobodys"}}, "unknown_certificate", "tls.certificate"),
    ({"tls": {"certificate": "../../etc/passwd"}}, "unknown_certificate", "tls.certificate"),
    ({"tls": {"certificate": "a", "key": "x"}}, "unknown_field", "tls.key"),
    ({"handler": "os.system"}, "unknown_handler", "handler"),
    ({"handler": "../../etc/passwd:X"}, "unknown_handler", "handler"),
    ({"handler_options": {"louder": True}}, "unknown_option", "handler_options.louder"),
    ({"handler_options": {"upper": "yes"}}, "wrong_option_type", "handler_options.upper"),
    ({"handler_options": []}, "wrong_type", "handler_options"),
    ({"colour": "green"}, "unknown_field", "colour"),
    ({"address": {"host": "127.0.0.1", "port": 0, "x": 1}}, "unknown_field", "address.x"),
    ({"address": {"name": "a.sock"}}, "address_mismatch", "address.name"),
    ({"address": {"host": "127.0.0.1"}}, "missing_field", "address.port"),
    ({"address": "127.0.0.1:80"}, "wrong_type", "address"),
    (inet(port=80), "privileged_port", "address.port"),
    (inet(port=65536), "port_range", "address.port"),
    (inet(port=-1), "port_range", "address.port"),
    (inet(port="4000"), "wrong_type", "address.port"),
    (inet(port=True), "wrong_type", "address.port"),
    (inet(port=4000.0), "wrong_type", "address.port"),
    (inet(host="no-such-host.invalid"), "unknown_host", "address.host"),
    (inet(host=""), "unknown_host", "address.host"),
    (inet(host="a\0b"), "unknown_host", "address.host"),
    (inet(host=LONG), "unknown_host", "address.host"),
    ({"limits": {"max_connections": 0}}, "limit_range", "limits.max_connections"),
    ({"limits": {"idle_timeout_s": -1}}, "limit_range", "limits.idle_timeout_s"),
    ({"limits": {"backlog": 10**9}}, "limit_range", "limits.backlog"),
    ({"limits": {"send_timeout_s": -1}}, "limit_range", "limits.send_timeout_s"),
    ({"limits": {"handshake_timeout_s": 0}}, "limit_range", "limits.handshake_timeout_s"),
    ({"limits": {"handler_timeout_s": "x"}}, "wrong_type", "limits.handler_timeout_s"),
    ({"limits": {"max_threads": 0}}, "limit_range", "limits.max_threads"),
    ({"limits": {"max_queue": -1}}, "limit_range", "limits.max_queue"),
    ({"limits": {"max_children": 0}}, "limit_range", "limits.max_children"),
    (
        {"limits": {"max_connections_per_address": -1}},
        "limit_range",
        "limits.max_connections_per_address",
    ),
    ({"limits": {"speed": 1}}, "unknown_field", "limits.speed"),
    ({"wanted": "paused"}, "unknown_wanted", "wanted"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("wrong", "code", "field"), REFUSED, ids=[f"{c}-{i}" for i, (_, c, _) in enumerate(REFUSED)]
)
def test_wrong_field_has_its_code(
    api: Api, wrong: dict[str, object], code: str, field: str
) -> None:
    problem = api.refused(422, "POST", "servers", json=definition(**wrong))
    assert (problem["code"], problem["field"]) == (code, field)
    assert problem["detail"].endswith(".")
    assert len(problem["detail"]) < 500


UNIX_NAMES = [
    ("a/b", "socket_name_malformed"),
    ("/tmp/a", "socket_name_malformed"),
    ("..", "socket_name_malformed"),
    ("../a", "socket_name_malformed"),
    ("", "socket_name_malformed"),
    ("a\0", "socket_name_malformed"),
    ("a" * 65, "socket_name_malformed"),
    (LONG, "socket_name_malformed"),
]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("transport", ["unix", "unix-datagram"])
@pytest.mark.parametrize(("socket_name", "code"), UNIX_NAMES)
def test_socket_name_is_never_a_path(
    api: Api, transport: str, socket_name: str, code: str
) -> None:
    body = definition(transport, address={"name": socket_name})
    problem = api.refused(422, "POST", "servers", json=body)
    assert (problem["code"], problem["field"]) == (code, "address.name")


def test_socket_path_that_the_system_cannot_hold_is_refused() -> None:
    with short_folder() as folder:
        deep = folder / ("d" * 60)
        deep.mkdir()
        app = AppThread(deep)
        try:
            body = definition("unix", address={"name": "s" * 40})
            problem = app.api.refused(422, "POST", "servers", json=body)
        finally:
            app.close()
    assert (problem["code"], problem["field"]) == ("socket_path_too_long", "address.name")
    assert "107" in problem["detail"]


@pytest.mark.usefixtures("unchanged")
def test_every_wrong_field_is_told_at_once(api: Api) -> None:
    wrong = {"name": "UP", "transport": "tcp", "handler": "nobody", "extra": 1, **inet(port=80)}
    problem = api.refused(422, "POST", "servers", json=wrong)
    told = {(error["code"], error["field"]) for error in problem["errors"]}
    assert told == {
        ("name_malformed", "name"),
        ("unknown_handler", "handler"),
        ("unknown_field", "extra"),
        ("privileged_port", "address.port"),
    }


@pytest.mark.usefixtures("unchanged")
def test_empty_object_lacks_everything(api: Api) -> None:
    problem = api.refused(422, "POST", "servers", json={})
    assert {"name", "transport", "handler"} <= {
        error["field"] for error in problem["errors"] if error["code"] == "missing_field"
    }


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.usefixtures("unchanged")
def test_port_that_others_use_is_named(api: Api, transport: str) -> None:
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if transport == "tcp":
            other.listen()
        port = other.getsockname()[1]
        body = definition(transport, **inet(port=port))
        problem = api.refused(409, "POST", "servers", json=body)
    assert (problem["code"], problem["field"]) == ("port_in_use", "address.port")
    assert f"127.0.0.1:{port}" in problem["detail"]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_of_the_panel_is_its_own(api: Api, app_thread: AppThread, host: str) -> None:
    body = definition(**inet(host, app_thread.port))
    problem = api.refused(409, "POST", "servers", json=body)
    assert (problem["code"], problem["field"]) == ("panel_port", "address.port")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "192.0.2.1"])
def test_host_must_be_allowed(api: Api, host: str) -> None:
    problem = api.refused(403, "POST", "servers", json=definition(**inet(host)))
    assert (problem["code"], problem["field"]) == ("host_not_allowed", "address.host")
    assert "SOCKPIT_LISTEN_HOSTS" in problem["detail"]


def test_port_must_be_allowed(narrow: AppThread) -> None:
    for port in (PORTS[0] - 1, PORTS[1] + 1):
        problem = narrow.api.refused(422, "POST", "servers", json=definition(**inet(port=port)))
        assert (problem["code"], problem["field"]) == ("port_not_allowed", "address.port")
        assert "20000-20019" in problem["detail"]
    assert narrow.api.get("servers")["items"] == []


def test_any_port_is_one_of_those_allowed(narrow: AppThread) -> None:
    servers = [narrow.api.post("servers", definition()) for _ in range(2)]
    ports = [server["server_address"][1] for server in servers]
    assert all(PORTS[0] <= port <= PORTS[1] for port in ports)
    assert len(set(ports)) == 2
    for server in servers:
        narrow.api.delete(f"servers/{server['name']}")


def test_name_that_is_taken_is_told(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    body = definition(name=server["name"], handler="discard")
    problem = api.refused(409, "POST", "servers", json=body)
    assert (problem["code"], problem["field"]) == ("name_taken", "name")
    assert api.get(f"servers/{server['name']}") == server


def test_name_is_for_ever(api: Api, make_server: MakeServer) -> None:
    server = make_server(wanted="stopped")
    path = f"servers/{server['name']}"
    problem = api.refused(422, "PATCH", path, json={"name": "another"})
    assert (problem["code"], problem["field"]) == ("name_fixed", "name")
    assert api.get(path) == server


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"handler": "nobody"}, "unknown_handler", "handler"),
        ({"address": {"port": 80}}, "privileged_port", "address.port"),
        ({"transport": "unix"}, "missing_field", "address"),
        ({"limits": {"max_connections": "many"}}, "wrong_type", "limits.max_connections"),
        ({"state": "running"}, "unknown_field", "state"),
        ({"handler": None}, "wrong_type", "handler"),
    ],
)
def test_wrong_change_changes_nothing(
    api: Api, make_server: MakeServer, wrong: dict[str, object], code: str, field: str
) -> None:
    server = make_server(wanted="stopped")
    path = f"servers/{server['name']}"
    good_too = {"limits": {"backlog": 77}} if "limits" not in wrong else {}
    problem = api.refused(422, "PATCH", path, json={**good_too, **wrong})
    assert (problem["code"], problem["field"]) == (code, field)
    assert api.get(path) == server
