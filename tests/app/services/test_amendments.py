from __future__ import annotations

from pathlib import Path

import pytest

from app.domain import Capture, InetAddress, Limits, ServerSpec, Tls, UnixAddress
from app.errors import Conflict, Invalid
from app.handlers.registry import HandlerRegistry
from app.services.definitions import Surroundings, amend, define
from tests.app.services.test_addresses import RULES
from tests.app.services.test_definitions import (
    AROUND,
    TCP,
    check_certificate,
    defined,
    told,
)

MASK = ("text:secret",)
SPEC = ServerSpec(
    name="clock-1",
    transport="tcp",
    concurrency="threading",
    handler="clock",
    handler_options={"utc": True},
    address=InetAddress("127.0.0.1", 10001),
    limits=Limits(max_connections=7, idle_timeout_s=8.0, backlog=9),
    capture=Capture(mask=MASK),
    wanted="running",
    created_us=5,
)


def amended(body: dict[str, object], spec: ServerSpec = SPEC) -> ServerSpec:
    return amend(spec, body, AROUND)


def faults_of_change(body: dict[str, object]) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refused:
        amended(body)
    return told(refused)


def test_a_change_of_nothing_changes_nothing() -> None:
    assert amended({}) == SPEC
    assert amended({"name": "clock-1"}) == SPEC


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"wanted": "stopped"}, {"wanted": "stopped"}),
        ({"concurrency": "single"}, {"concurrency": "single"}),
        ({"concurrency": "forking"}, {"concurrency": "forking", "isolation": "process"}),
        ({"isolation": "process"}, {"isolation": "process"}),
        ({"tls": {"certificate": "good"}}, {"tls": Tls(certificate="good")}),
        ({"tls": None}, {}),
        ({"address": {"port": 0}}, {"address": InetAddress("127.0.0.1", 0)}),
        ({"address": {"host": "::1"}}, {"address": InetAddress("::1", 10001)}),
        (
            {"limits": {"backlog": 1}},
            {"limits": Limits(max_connections=7, idle_timeout_s=8.0, backlog=1)},
        ),
        ({"capture": {"policy": "sizes"}}, {"capture": Capture(policy="sizes", mask=MASK)}),
        ({"capture": {"bytes": 0}}, {"capture": Capture(bytes=0, mask=MASK)}),
        ({"capture": {"mask": []}}, {"capture": Capture()}),
        ({"handler_options": {}}, {"handler_options": {}}),
        ({"handler_options": {"utc": False}}, {"handler_options": {"utc": False}}),
        ({"handler": "clock"}, {}),
        ({"handler": "echo"}, {"handler": "echo", "handler_options": {}}),
        (
            {"handler": "echo", "handler_options": {"upper": True}},
            {"handler": "echo", "handler_options": {"upper": True}},
        ),
        ({"transport": "udp"}, {"transport": "udp"}),
        (
            {"transport": "unix", "address": {"name": "s"}},
            {"transport": "unix", "address": UnixAddress("s")},
        ),
    ],
)
def test_a_change_touches_what_it_names(
    body: dict[str, object], expected: dict[str, object]
) -> None:
    changed = amended(body)
    fields = {name: getattr(SPEC, name) for name in ServerSpec.__dataclass_fields__}
    assert {name: getattr(changed, name) for name in fields} == {**fields, **expected}


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"name": "other"}, ("name_fixed", "name")),
        ({"name": 1}, ("wrong_type", "name")),
        ({"created_us": 1}, ("unknown_field", "created_us")),
        ({"transport": "unix"}, ("missing_field", "address")),
        ({"tls": {"client_ca": "ca"}}, ("missing_field", "tls.certificate")),
        ({"transport": None}, ("wrong_type", "transport")),
        ({"handler": "greeter.py:Greeter", "transport": "udp"}, ("handler_transport", "handler")),
        ({"handler_options": {"upper": True}}, ("unknown_option", "handler_options.upper")),
        ({"address": {"name": "x"}}, ("address_mismatch", "address.name")),
        ({"address": {"port": 80}}, ("privileged_port", "address.port")),
        ({"address": None}, ("wrong_type", "address")),
        ({"limits": {"backlog": 0}}, ("limit_range", "limits.backlog")),
        ({"capture": None}, ("wrong_type", "capture")),
        ({"wanted": "gone"}, ("unknown_wanted", "wanted")),
    ],
)
def test_a_wrong_change_is_refused(body: dict[str, object], fault: tuple[str, str]) -> None:
    assert faults_of_change(body) == [fault]


def test_an_amended_tls_is_replaced_whole_and_ends_with_the_streams() -> None:
    asked = {"certificate": "good", "client_ca": "ca", "client_certificates": "optional"}
    encrypted = amended({"tls": asked})
    assert amended({}, encrypted) == encrypted
    assert amended({"tls": {"certificate": "good"}}, encrypted).tls == Tls(certificate="good")
    with pytest.raises(Invalid) as refused:
        amended({"transport": "udp"}, encrypted)
    assert told(refused) == [("tls_needs_stream", "tls")]
    assert amended({"transport": "udp", "tls": None}, encrypted).tls is None


def test_a_server_that_forks_no_more_keeps_its_process_until_told() -> None:
    forking = amended({"concurrency": "forking"})
    assert amended({"concurrency": "pool"}, forking).isolation == "process"
    both: dict[str, object] = {"concurrency": "pool", "isolation": "thread"}
    assert amended(both, forking).isolation == "thread"
    with pytest.raises(Invalid) as refused:
        amended({"isolation": "thread"}, forking)
    assert told(refused) == [("forking_needs_process", "isolation")]


def test_a_datagram_server_that_turns_to_tcp_must_leave_the_panel_its_port() -> None:
    body = {**TCP, "transport": "udp", "address": {"host": "127.0.0.1", "port": 8000}}
    with pytest.raises(Conflict, match="panel"):
        amended({"transport": "tcp"}, defined(body))


def test_what_a_change_does_not_touch_is_not_judged_again(tmp_path: Path) -> None:
    text = (
        "import socketserver\n"
        "class H(socketserver.BaseRequestHandler):\n    def handle(self): ...\n"
    )
    path = tmp_path / "h.py"
    path.write_text(text)
    registry = HandlerRegistry(tmp_path)
    around = Surroundings(registry, RULES, check_certificate)
    spec = define({**TCP, "handler": "h.py:H"}, around)
    path.unlink()
    registry.rescan()
    assert amend(spec, {"wanted": "running"}, around).handler == "h.py:H"
    with pytest.raises(Invalid):
        amend(spec, {"handler_options": {}}, around)
