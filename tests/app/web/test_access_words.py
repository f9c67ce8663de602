"""What browsers are called, and what an act changed, in words."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from app.web.access_words import browser, changes
from app.who import AuditEntry

AND = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"{AND} Chrome/140.0.0.0 Safari/537.36", "Chrome"),
        (f"{AND} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge"),
        (f"{AND} Chrome/140.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera"),
        (f"{AND} Version/18.0 Safari/605.1.15", "Safari"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox"),
        ("curl/8.9.1", "curl"),
        ("x" * 200, "x" * 40),
        ("<b>/1", "<b>"),
        ("/1.0", "A browser"),
        ("", "A browser"),
    ],
)
def test_a_browser_is_called_by_its_name(agent: str, name: str) -> None:
    assert browser(agent) == name


def told(
    before: Mapping[str, object] | None, after: Mapping[str, object] | None
) -> list[tuple[str, str, str]]:
    entry = AuditEntry(
        number=1,
        at_us=0,
        who="ana",
        kind="user",
        address="",
        what="x",
        target="x",
        before=before,
        after=after,
    )
    return list(changes(entry))


def test_a_change_is_told_with_what_was_before() -> None:
    assert told({"role": "viewer"}, {"role": "admin", "new_password": False}) == [
        ("role", "viewer", "admin"),
        ("new password", "", "false"),
    ]
    assert told({"rows": 3}, None) == [("rows", "3", "")]
    assert told(None, None) == told({}, {}) == []


def test_what_was_nothing_and_is_nothing_is_left_out() -> None:
    assert told({"tls": None}, {"tls": None}) == []
    assert told(None, {"servers": None, "handler_options": {}}) == []
    assert told({"tls": None}, {"tls": {"certificate": "mine"}}) == [
        ("tls", "null", '{"certificate": "mine"}')
    ]
    assert told({"days": 7}, {"days": None}) == [("days", "7", "null")]
    assert told(None, {"days": 0, "q": ""}) == [("days", "", "0"), ("q", "", "")]


def test_of_a_long_value_the_page_has_its_begin() -> None:
    ((_, before, after),) = told({"mask": "温" * 160}, {"mask": ["x" * 500]})
    assert before == "温" * 160
    assert after == '["' + "x" * 158 + "…"
