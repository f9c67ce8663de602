from __future__ import annotations

from pathlib import Path

import pytest

from app.domain import Capture, InetAddress, Limits, ServerSpec, Tls, UnixAddress
from app.errors import Conflict, FieldError, Forbidden, Invalid
from app.handlers.registry import HandlerRegistry
from app.services.definitions import Surroundings, define
from tests.app.services.test_addresses import RULES

REGISTRY = HandlerRegistry(Path(__file__).resolve().parents[3] / "handlers")


def check_certificate(name: str, own: bool) -> None:
    """There are `good`, and `ca` without a key."""
    if name not in ("good", "ca"):
        raise Invalid(FieldError("unknown_certificate", "There is none.", "tls.certificate"))
    if own and name == "ca":
        raise Invalid(FieldError("certificate_without_key", "It has none.", "tls.certificate"))


AROUND = Surroundings(REGISTRY, RULES, check_certificate)

TCP: dict[str, object] = {
    "name": "clock-1",
    "transport": "tcp",
    "concurrency": "threading",
    "handler": "clock",
    "address": {"host": "127.0.0.1", "port": 10001},
}
UNIX = {**TCP, "transport": "unix", "address": {"name": "clock.sock"}}


def defined(body: dict[str, object]) -> ServerSpec:
    return define(body, AROUND)


def told(error: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    assert all(fault.detail.endswith(".") for fault in error.value.fields)
    return [(fault.code, fault.field) for fault in error.value.fields]


def faults(**changes: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        defined({**TCP, **changes})
    return told(refused)


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in TCP.items() if name != key}


def test_a_server_needs_four_fields_and_the_rest_has_defaults() -> None:
    assert defined(without("concurrency")) == ServerSpec(
        name="clock-1",
        transport="tcp",
        concurrency="pool",
        isolation="thread",
        handler="clock",
        address=InetAddress("127.0.0.1", 10001),
    )


def test_everything_that_can_be_said_is_kept() -> None:
    said: dict[str, object] = {
        "handler_options": {"utc": True},
        "isolation": "process",
        "limits": {
            "max_connections": 1,
            "max_connections_per_address": 2,
            "idle_timeout_s": 0,
            "send_timeout_s": 1.5,
            "handshake_timeout_s": 2,
            "handler_timeout_s": 0,
            "max_threads": 3,
            "max_queue": 0,
            "max_children": 4,
            "backlog": 65535,
        },
        "capture": {"policy": "preview", "bytes": 1, "mask": ["text:a", "re:b+"]},
        "wanted": "running",
    }
    spec = defined({**UNIX, **said, "transport": "unix-datagram", "concurrency": "single"})
    assert spec == ServerSpec(
        name="clock-1",
        transport="unix-datagram",
        concurrency="single",
        isolation="process",
        handler="clock",
        handler_options={"utc": True},
        address=UnixAddress("clock.sock"),
        limits=Limits(
            max_connections=1,
            max_connections_per_address=2,
            idle_timeout_s=0.0,
            send_timeout_s=1.5,
            handshake_timeout_s=2.0,
            handler_timeout_s=0.0,
            max_threads=3,
            max_queue=0,
            max_children=4,
            backlog=65535,
        ),
        capture=Capture(policy="preview", bytes=1, mask=("text:a", "re:b+")),
        wanted="running",
    )
    assert type(spec.limits.idle_timeout_s) is float


@pytest.mark.parametrize("key", [key for key in TCP if key != "concurrency"])
def test_a_missing_field_is_named(key: str) -> None:
    with pytest.raises(Invalid) as refused:
        defined(without(key))
    assert told(refused) == [("missing_field", key)]


@pytest.mark.parametrize("key", TCP)
@pytest.mark.parametrize("value", [None, 1, True, [], 1.5])
def test_a_field_of_a_wrong_type_is_named(key: str, value: object) -> None:
    assert faults(**{key: value}) == [("wrong_type", key)]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"colour": 1}, ("unknown_field", "colour")),
        ({"address": {"host": "::1", "port": 1024, "path": 1}}, ("unknown_field", "address.path")),
        ({"limits": {"max": 1}}, ("unknown_field", "limits.max")),
        ({"transport": "sctp"}, ("unknown_transport", "transport")),
        ({"concurrency": "forked"}, ("unknown_concurrency", "concurrency")),
        ({"concurrency": "event", "transport": "udp"}, ("unknown_kind", "concurrency")),
        ({"isolation": "jail"}, ("unknown_isolation", "isolation")),
        (
            {"concurrency": "forking", "isolation": "thread"},
            ("forking_needs_process", "isolation"),
        ),
        ({"tls": {"certificate": "none"}}, ("unknown_certificate", "tls.certificate")),
        ({"tls": {"certificate": "ca"}}, ("certificate_without_key", "tls.certificate")),
        (
            {"tls": {"certificate": "good", "client_certificates": "required"}},
            ("missing_field", "tls.client_ca"),
        ),
        (
            {"tls": {"certificate": "good", "client_certificates": "some"}},
            ("unknown_client_certificates", "tls.client_certificates"),
        ),
        (
            {"tls": {"certificate": "good", "client_ca": "none"}},
            ("unknown_certificate", "tls.client_ca"),
        ),
        ({"tls": {"certificate": "good"}, "transport": "udp"}, ("tls_needs_stream", "tls")),
        ({"tls": []}, ("wrong_type", "tls")),
        ({"wanted": "paused"}, ("unknown_wanted", "wanted")),
        ({"handler": "os.system"}, ("unknown_handler", "handler")),
        ({"handler": "upper.py:UpperUDP"}, ("handler_transport", "handler")),
        ({"handler_options": []}, ("wrong_type", "handler_options")),
        ({"handler_options": {"zone": 1}}, ("unknown_option", "handler_options.zone")),
        ({"handler_options": {"utc": 1}}, ("wrong_option_type", "handler_options.utc")),
        ({"address": {"port": 1024}}, ("missing_field", "address.host")),
        ({"address": {"host": "::1"}}, ("missing_field", "address.port")),
        ({"address": {"host": 1, "port": 1024}}, ("wrong_type", "address.host")),
        ({"address": {"host": "::1", "port": True}}, ("wrong_type", "address.port")),
        ({"address": {"host": "::1", "port": 8001.0}}, ("wrong_type", "address.port")),
        ({"address": {"host": "::1", "port": "8001"}}, ("wrong_type", "address.port")),
        ({"address": {"host": "::1", "port": None}}, ("wrong_type", "address.port")),
        ({"address": {"host": "::1", "port": 65536}}, ("port_range", "address.port")),
        ({"address": {"host": "::1", "port": 80}}, ("privileged_port", "address.port")),
        ({"address": {"host": "no such", "port": 8001}}, ("unknown_host", "address.host")),
        (
            {"address": {"host": "::1", "port": 8001, "name": "x"}},
            ("address_mismatch", "address.name"),
        ),
    ],
)
def test_one_wrong_thing_is_one_error(changes: dict[str, object], fault: tuple[str, str]) -> None:
    assert faults(**changes) == [fault]


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a\n", "a" * 64, "é", "a/b", "\ud800"])
def test_a_name_is_malformed(name: str) -> None:
    assert faults(name=name) == [("name_malformed", "name")]


@pytest.mark.parametrize("name", ["a", "0", "a-", "a" * 63])
def test_a_name_is_well_formed(name: str) -> None:
    assert defined({**TCP, "name": name}).name == name


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (
            {"host": "127.0.0.1", "port": 1},
            [
                ("address_mismatch", "address.host"),
                ("address_mismatch", "address.port"),
                ("missing_field", "address.name"),
            ],
        ),
        ({"name": 5}, [("wrong_type", "address.name")]),
        ({"name": "../x"}, [("socket_name_malformed", "address.name")]),
        ({}, [("missing_field", "address.name")]),
    ],
)
def test_a_unix_server_has_a_name_for_its_address(
    address: object, expected: list[tuple[str, str]]
) -> None:
    assert faults(transport="unix", address=address) == expected


def test_a_forking_server_has_a_process_of_its_own() -> None:
    forking = {**TCP, "concurrency": "forking"}
    assert defined(forking).isolation == "process"
    assert defined({**forking, "isolation": "process"}).isolation == "process"


def test_tls_is_a_certificate_and_what_is_asked_of_clients() -> None:
    assert defined({**TCP, "tls": None}).tls is None
    assert defined({**TCP, "tls": {"certificate": "good"}}).tls == Tls(certificate="good")
    asked = {"certificate": "good", "client_ca": "ca", "client_certificates": "required"}
    assert defined({**UNIX, "tls": asked}).tls == Tls(
        certificate="good", client_ca="ca", client_certificates="required"
    )


def test_all_that_is_wrong_is_told_at_once() -> None:
    told_of = faults(
        name="A",
        concurrency="threads",
        handler="nope",
        address={"host": "no such", "port": 80},
        limits={"backlog": 0, "x": 1},
        wanted=1,
        y=1,
    )
    assert sorted(told_of) == [
        ("limit_range", "limits.backlog"),
        ("name_malformed", "name"),
        ("privileged_port", "address.port"),
        ("unknown_concurrency", "concurrency"),
        ("unknown_field", "limits.x"),
        ("unknown_field", "y"),
        ("unknown_handler", "handler"),
        ("unknown_host", "address.host"),
        ("wrong_type", "wanted"),
    ]


def test_what_is_forbidden_or_taken_is_told_once_nothing_is_wrong() -> None:
    elsewhere = {"host": "10.0.0.7", "port": 10001}
    with pytest.raises(Forbidden) as forbidden:
        defined({**TCP, "address": elsewhere})
    assert (forbidden.value.code, forbidden.value.field) == ("host_not_allowed", "address.host")
    with pytest.raises(Conflict) as taken:
        defined({**TCP, "address": {"host": "127.0.0.1", "port": 8000}})
    assert (taken.value.code, taken.value.field) == ("panel_port", "address.port")
    assert faults(address=elsewhere, name="A") == [("name_malformed", "name")]


def test_a_body_that_is_no_object_is_refused() -> None:
    with pytest.raises(Invalid) as refused:
        define([], AROUND)  # type: ignore[arg-type]
    assert told(refused) == [("wrong_type", "")]
