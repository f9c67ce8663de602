"""The page of the log: its search, what it says of it, and what of it lives."""

from __future__ import annotations

import html as html_module
import re
from dataclasses import replace

import pytest

from app.web.filters import requests_href
from app.web.log_pages import of_peer, of_server, search
from tests.app.web.conftest import Panel, until
from tests.app.web.test_words import ROW


@pytest.fixture
def talked(panel: Panel) -> Panel:
    panel.define("echo")
    for said in (b"Ping 1", b"<b>pong</b>", b"PING 2"):
        panel.say("echo", said)
    until(lambda: len(panel.requests("echo")) == 3 or None)
    return panel


def rows(html: str) -> int:
    return len(re.findall(r'<tr id="request-', html))


def test_a_search_shows_its_conditions_each_with_the_way_without_it(talked: Panel) -> None:
    html = talked.html("/requests?q=server%3Aecho+ping+-2")
    assert rows(html) == 1
    chips = re.findall(r'<li class="chip"><span class="mono">(.*?)</span><a href="(.*?)"', html)
    assert [(text, html_module.unescape(href)) for text, href in chips] == [
        ("server:echo", "/requests?q=ping%20-2"),
        ("ping", "/requests?q=server%3Aecho%20-2"),
        ("-2", "/requests?q=server%3Aecho%20ping"),
    ]
    assert "1 request<" in html
    assert 'value="server:echo ping -2"' in html
    newest = talked.requests("echo")[0]["id"]
    stream = "/live/requests?q=server%3Aecho%20ping%20-2&amp;since="
    assert f'hx-sse:connect="{stream}{newest}"' in html


def test_what_is_searched_for_is_escaped(talked: Panel) -> None:
    html = talked.html("/requests?q=%3Cb%3Epong")
    assert rows(html) == 1
    assert "<b>pong" not in html
    assert "&lt;b&gt;pong" in html


def test_a_line_that_cannot_be_understood_is_kept_and_told_why(talked: Panel) -> None:
    html = talked.html("/requests?q=colour%3Ared", 422)
    assert 'value="colour:red"' in html
    assert 'aria-invalid="true"' in html
    assert "colour" in html[html.index('id="search-said"') :]
    assert rows(html) == 0
    assert "hx-sse:connect" not in html


def test_nothing_found_says_what_to_do(talked: Panel) -> None:
    html = talked.html("/requests?q=nothing-like-it")
    assert "No request matches. Remove a condition" in html
    assert "0 requests" in html


def test_a_page_leads_older_newer_and_back(panel: Panel) -> None:
    panel.define("echo")
    for number in range(120):
        panel.say("echo", b"%d" % number)
    until(lambda: panel.http.get("/api/v1/requests/count").json()["rows"] == 120 or None)
    first = panel.html("/requests")
    second = panel.html(_link(first, "Older"))
    assert rows(second) == 50
    third = panel.html(_link(second, "Older"))
    assert rows(third) == 20
    assert "Older</a>" not in third
    assert _ids(panel.html(_link(third, "Newer"))) == _ids(second)
    assert _link(second, "Newest") == "/requests"


def _link(html: str, words: str) -> str:
    match = re.search(rf'href="([^"]+)">{words}</a>', html)
    assert match, words
    return html_module.unescape(match[1])


def _ids(html: str) -> list[str]:
    return re.findall(r'<tr id="request-([\d-]+)"', html)


def test_a_request_leads_to_all_of_its_peer(talked: Panel) -> None:
    newest = talked.requests("echo")[0]["id"]
    href = _link(talked.html(f"/requests/{newest}"), "All from this peer")
    assert href == "/requests?q=server%3Aecho%20peer%3A127.0.0.1%3A"
    assert rows(talked.html(href)) == 3


@pytest.mark.parametrize(
    ("peer", "line"),
    [
        ("[fe80::1]:5000", "server:echo peer:[fe80::1]:"),
        ("pid 42", 'server:echo peer:"pid 42"'),
        ("", "server:echo"),
    ],
)
def test_search_of_a_peer(peer: str, line: str) -> None:
    assert of_peer(replace(ROW, peer=peer)).line == line


def test_addresses_of_pages() -> None:
    assert requests_href("") == "/requests"
    assert requests_href("a&b", before="20260101-1") == "/requests?q=a%26b&before=20260101-1"
    assert of_server("my server").href() == "/requests?q=server%3A%22my%20server%22"
    assert search("ping", "echo").one_server == "echo"
    assert search("server:a server:b").one_server is None
