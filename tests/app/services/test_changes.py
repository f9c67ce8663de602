"""What the audit says of a definition: all of it at first, then what was changed alone."""

from __future__ import annotations

import json
from dataclasses import replace

from app.domain import Capture, InetAddress, Limits, ServerSpec, Tls, UnixAddress
from app.services.changes import changed, facts
from app.who import SOCKPIT

SPEC = ServerSpec(
    name="clock",
    transport="tcp",
    concurrency="event",
    handler="clock",
    address=InetAddress("127.0.0.1", 10001),
    handler_options={"greeting": "你好", "lines": 3},
    limits=Limits(max_connections=7),
    capture=Capture(policy="preview", mask=("text:秘密",)),
    created_us=1_773_489_600_000_001,
)


def test_all_of_a_definition_but_its_name_and_when_it_was_made() -> None:
    found = facts(SPEC)
    assert {"name", "created_us"}.isdisjoint(found)
    assert found["transport"] == "tcp"
    assert found["wanted"] == "stopped"
    assert found["address"] == {"host": "127.0.0.1", "port": 10001}
    assert found["handler_options"] == {"greeting": "你好", "lines": 3}
    assert found["tls"] is None
    assert set(found) == {
        *("transport", "concurrency", "isolation", "handler", "handler_options", "address"),
        *("limits", "tls", "capture", "wanted"),
    }


def test_they_are_as_json_gives_them_back() -> None:
    secure = replace(SPEC, tls=Tls(certificate="mine"), address=UnixAddress("x.sock"))
    for spec in (SPEC, secure):
        assert json.loads(json.dumps(facts(spec))) == facts(spec)


def test_what_was_changed_is_told_alone() -> None:
    after = replace(
        SPEC,
        address=InetAddress("127.0.0.1", 10002),
        tls=Tls(certificate="mine"),
        wanted="running",
    )
    act = changed(SPEC, after, SOCKPIT)
    assert (act.by, act.what, act.target) == (SOCKPIT, "server.change", "clock")
    assert act.before == {
        "address": {"host": "127.0.0.1", "port": 10001},
        "tls": None,
        "wanted": "stopped",
    }
    assert act.after == {
        "address": {"host": "127.0.0.1", "port": 10002},
        "tls": {"certificate": "mine", "client_ca": None, "client_certificates": "none"},
        "wanted": "running",
    }


def test_of_limits_all_are_told_when_one_was_changed() -> None:
    act = changed(SPEC, replace(SPEC, limits=Limits(max_connections=8)), SOCKPIT)
    assert act.before is not None
    assert act.after is not None
    assert list(act.before) == list(act.after) == ["limits"]
    before, after = act.before["limits"], act.after["limits"]
    assert before == facts(SPEC)["limits"]
    assert isinstance(before, dict)
    assert after == {**before, "max_connections": 8}


def test_the_order_of_options_is_no_change() -> None:
    same = replace(SPEC, handler_options={"lines": 3, "greeting": "你好"}, created_us=0)
    act = changed(SPEC, same, SOCKPIT)
    assert (act.before, act.after) == ({}, {})
    act = changed(SPEC, replace(SPEC, handler_options={"lines": 3}), SOCKPIT)
    assert act.after == {"handler_options": {"lines": 3}}
