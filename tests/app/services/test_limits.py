from __future__ import annotations

import math

import pytest

from tests.app.services.test_definitions import TCP, defined, faults


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("max_connections", 1, 100_000),
        ("max_connections_per_address", 0, 100_000),
        ("idle_timeout_s", 0, 86_400),
        ("send_timeout_s", 0, 3_600),
        ("handler_timeout_s", 0, 86_400),
        ("max_threads", 1, 10_000),
        ("max_queue", 0, 100_000),
        ("max_children", 1, 10_000),
        ("backlog", 1, 65_535),
        ("replies_per_s", 0, 1_000_000),
        ("replies_from_port", 0, 65_535),
    ],
)
def test_limits_have_ranges(key: str, least: int, most: int) -> None:
    for edge in (least, most):
        assert getattr(defined({**TCP, "limits": {key: edge}}).limits, key) == edge
    for wrong in (least - 1, most + 1, 10**400, -(10**400)):
        assert faults(limits={key: wrong}) == [("limit_range", f"limits.{key}")]
    of_another_type: tuple[object, ...] = (True, "5", None, [])
    for value in of_another_type:
        assert faults(limits={key: value}) == [("wrong_type", f"limits.{key}")]


@pytest.mark.parametrize("value", [math.nan, math.inf, -0.1])
def test_an_idle_timeout_is_a_finite_number(value: float) -> None:
    assert faults(limits={"idle_timeout_s": value}) == [("limit_range", "limits.idle_timeout_s")]
    assert defined({**TCP, "limits": {"idle_timeout_s": 0.5}}).limits.idle_timeout_s == 0.5


def test_a_handshake_has_a_deadline() -> None:
    for edge in (0.1, 600):
        limits = {"handshake_timeout_s": edge}
        assert defined({**TCP, "limits": limits}).limits.handshake_timeout_s == edge
    for wrong in (0, 0.09, 601):
        fault = ("limit_range", "limits.handshake_timeout_s")
        assert faults(limits={"handshake_timeout_s": wrong}) == [fault]


def test_numbers_of_connections_are_whole() -> None:
    assert faults(limits={"backlog": 5.0}) == [("wrong_type", "limits.backlog")]
