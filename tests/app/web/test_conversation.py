"""The whole conversation of a peer: its requests in order of time, a page at a time."""

from __future__ import annotations

import re

import pytest

from app.web import conversation
from app.web.conversation import PAGE_REQUESTS
from tests.app.web.conftest import HOSTILE_LINE, Panel


def parts(html: str) -> list[str]:
    return re.findall(r'<section id="request-([\d-]+)" class="panel part"', html)


def way(html: str, words: str) -> str | None:
    found = re.search(rf'<a href="([^"]*)">{words}</a>', html)
    return found[1] if found else None


def test_a_request_leads_to_it(panel: Panel) -> None:
    panel.define("echo")
    id_ = panel.talk("echo", b"hello")
    where = f"/requests/{id_}/conversation"
    assert f'href="{where}#request-{id_}">Whole conversation</a>' in panel.html(f"/requests/{id_}")
    html = panel.html(where)
    assert parts(html) == [id_]
    assert "68 65 6C 6C 6F" in html
    assert (way(html, "What was said before"), "style=" in html) == (None, False)
    panel.html("/requests/20200101-1/conversation", 404)


def test_it_is_of_that_server_and_peer_and_in_order_of_time(panel: Panel) -> None:
    panel.define("echo")
    panel.define("other")
    ids = [panel.talk("echo", b"first")]
    panel.talk("other", b"not here")
    ids += [panel.talk("echo", b"second"), panel.talk("echo", HOSTILE_LINE)]
    html = panel.html(f"/requests/{ids[2]}/conversation")
    assert parts(html) == ids
    assert "<img" not in html
    # It ends with the request that led to it, and goes on from there.
    html = panel.html(f"/requests/{ids[1]}/conversation")
    assert parts(html) == ids[:2]
    after = way(html, "What was said after")
    assert after
    assert parts(panel.html(after)) == ids[2:]


def test_a_long_one_has_pages_both_ways(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "PAGE_REQUESTS", 2)
    panel.define("echo")
    ids = [panel.talk("echo", b"word %d" % number) for number in range(5)]
    html = panel.html(f"/requests/{ids[4]}/conversation")
    seen = parts(html)
    while before := way(html, "What was said before"):
        html = panel.html(before)
        seen = [*parts(html), *seen]
    assert seen == ids
    assert PAGE_REQUESTS > 2


def test_a_long_tape_is_cut_there(panel: Panel) -> None:
    panel.define("echo")
    id_ = panel.talk("echo", bytes(16 * 200))
    html = panel.html(f"/requests/{id_}/conversation")
    assert html.count('class="tape-line') == conversation.LINES_EACH
    assert "300 more lines." in html


def test_a_cursor_that_is_none_is_told(panel: Panel) -> None:
    panel.define("echo")
    id_ = panel.talk("echo", b"hello")
    panel.html(f"/requests/{id_}/conversation?before=x", 422)
