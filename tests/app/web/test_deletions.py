"""The page that deletes what a search finds: what it says would go, and what lets it go."""

from __future__ import annotations

import html as html_module
import re

import pytest

from tests.app.web.conftest import Panel, told, until
from tests.app.web.test_stream import stream

WHERE = "/requests/deletions"


@pytest.fixture
def talked(panel: Panel) -> Panel:
    panel.define("echo")
    for said in (b"ping 1", b"pong", b"ping 2"):
        panel.say("echo", said)
    until(lambda: len(panel.requests("echo")) == 3)
    return panel


def planned(panel: Panel, line: str) -> str:
    """The page of one, once it is counted."""
    answer = panel.post(WHERE, q=line)
    assert answer.status_code == 303
    path = answer.headers["Location"]
    until(lambda: "Counting" not in panel.html(path))
    return str(path)


def test_a_search_leads_to_it_and_the_whole_log_does_not(talked: Panel) -> None:
    form = f'method="post" action="{WHERE}"><input type="hidden" name="q" value="ping">'
    assert form in talked.html("/requests?q=ping")
    assert WHERE not in talked.html("/requests")
    assert WHERE not in talked.html("/requests?q=nothing-like-that")
    assert WHERE not in talked.html("/requests?q=colour%3Ared", 422)


def test_it_says_what_would_go(talked: Panel) -> None:
    html = talked.html(planned(talked, "ping -3"))
    assert "<strong>2 requests go</strong>, for good." in html
    assert re.findall(r'whole-chip"><span class="mono">(.*?)</span>', html) == ["ping", "-3"]
    assert re.search(r"<dt>Server</dt><dd>echo <span[^>]*>2</span></dd>", html)
    newest = talked.requests("echo")[0]["started_at"]
    assert f"<dd>{newest[:10]} {newest[11:19]}</dd>" in html
    assert "To delete them, type 2" in html
    assert 'href="/requests?q=ping%20-3">Keep them</a>' in html
    assert "hx-sse:connect" not in html
    assert "style=" not in html


def test_nothing_goes_until_the_number_is_typed(talked: Panel) -> None:
    path = planned(talked, "ping")
    for typed in ("", "yes", "3", "-2", "2.0", "²"):
        answer = talked.post(f"{path}/confirm", typed=typed)
        assert answer.status_code == 422
        assert told(answer.text, "typed") == "That is not 2. Nothing was deleted."
    assert len(talked.requests("echo")) == 3
    answer = talked.post(f"{path}/confirm", typed=" 2 ")
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    until(lambda: "Deleting" not in talked.html(path))
    assert "<strong>2 requests</strong> were deleted." in talked.html(path)
    assert [row["preview"] for row in talked.requests("echo")] == ["pong"]
    assert talked.post(f"{path}/confirm", typed="2").headers["Location"] == path


def test_it_is_stopped(talked: Panel) -> None:
    path = planned(talked, "ping")
    assert talked.post(f"{path}/cancel").headers["Location"] == path
    assert "Nothing was deleted." in talked.html(path)
    talked.post(f"{path}/confirm", typed="2")
    assert len(talked.requests("echo")) == 3


def test_nothing_to_delete_asks_for_nothing(talked: Panel) -> None:
    html = talked.html(planned(talked, "server:nobody"))
    assert "No request is to be deleted" in html
    assert "typed" not in html


def test_what_is_searched_for_is_escaped(talked: Panel) -> None:
    talked.say("echo", b"<b>bold</b>")
    until(lambda: len(talked.requests("echo")) == 4)
    html = talked.html(planned(talked, '"<b>bold"'))
    assert "<b>bold" not in html
    assert html_module.escape("<b>bold") in html


def test_a_line_that_is_wrong_and_one_that_is_not_there(talked: Panel) -> None:
    for line in ("colour:red", ""):
        assert talked.post(WHERE, q=line).status_code == 422
    assert "forgotten at a restart" in talked.html(f"{WHERE}/0123456789abcdef", 404)
    assert talked.post(f"{WHERE}/0123456789abcdef/cancel").status_code == 404


def test_how_far_it_is_comes_by_itself(served: Panel) -> None:
    served.define("echo")
    served.talk("echo", b"ping")
    path = planned(served, "ping")
    with stream(served, f"/live/deletions/{path.rpartition('/')[2]}") as messages:
        _, first = next(messages)
        assert 'hx-target="#deletion"' in first
        assert "type 1" in first
        served.post(f"{path}/confirm", typed="1")
        served.talk("echo", b"another")  # what wakes a stream that had nothing to wait for
        assert any("was deleted." in html for _, html in messages)
