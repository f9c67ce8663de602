"""The streams, from a real server: what is sent first, what later, and how they end."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from app.log_facts import Gap
from app.main import Sockpit, create_app, web_app
from app.settings import Settings
from tests.app.web.conftest import HOSTILE_LINE, Panel, listening, log_in


@contextmanager
def stream(served: Panel, path: str) -> Iterator[Iterator[tuple[str, str]]]:
    """(event, data) of every message, as the browser's parser would have them."""
    with served.http.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        yield _messages(answer.iter_lines())


def _messages(lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    event, data = "", list[str]()
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif line.startswith("event:"):
            event = line.removeprefix("event:").strip()
        elif not line and (data or event):
            yield event, "\n".join(data)
            event, data = "", []


def targets(html: str) -> set[str]:
    return set(re.findall(r'<hx-partial hx-target="#([\w-]+)"', html))


def first_with(messages: Iterator[tuple[str, str]], text: str) -> str:
    return next(html for _, html in messages if text in html)


def test_the_first_message_is_all_that_lives_and_later_ones_only_what_changed(
    served: Panel,
) -> None:
    served.define("echo")
    served.define("other", running=False)
    with stream(served, "/live/servers") as messages:
        _, first = next(messages)
        assert {"servers", "totals", "alarms", "nav-count"} <= targets(first)
        served.post("/servers/other/start", back="/servers")
        later = first_with(messages, 'data-state="running"')
        assert "server-other" in targets(later)
        assert "server-echo" not in targets(later)


def test_a_new_server_comes_with_the_whole_table(served: Panel) -> None:
    with stream(served, "/live/servers") as messages:
        assert "No server yet" in next(messages)[1]
        served.define("echo")
        assert "servers" in targets(first_with(messages, 'id="server-echo"'))


def test_a_server_page_follows_its_clients_and_its_clock(served: Panel) -> None:
    address = tuple(served.define("echo")["server_address"])
    with stream(served, "/live/servers/echo") as messages:
        next(messages)
        with socket.create_connection(address) as client:
            peer = "{}:{}".format(*client.getsockname())
            shown = first_with(messages, peer)
            assert "connections" in targets(shown)
            # Nothing happens now, and yet the idle time runs on.
            assert 'class="c-idle n"' in first_with(messages, peer)
            client.sendall(HOSTILE_LINE)
            row = first_with(messages, 'id="request-')
            assert "<img" not in row
        assert first_with(messages, "the client")


def test_the_log_streams_its_newest_page(served: Panel) -> None:
    served.define("echo")
    with stream(served, "/live/requests?server=echo") as messages:
        assert "has answered no request yet" in next(messages)[1]
        request_id = served.talk("echo", b"hello")
        assert "requests" in targets(first_with(messages, f'id="request-{request_id}"'))


@pytest.mark.parametrize("page", ["/live/requests", "/live/servers/echo"])
def test_a_gap_appears_where_the_log_is(settings: Settings, page: str) -> None:
    sockpit = Sockpit(settings)
    with listening(web_app(sockpit)) as origin, httpx2.Client(base_url=origin) as client:
        log_in(client)
        served = Panel(client)
        served.define("echo")
        with stream(served, page) as messages:
            next(messages)
            sockpit.recorder.note(Gap(reason="dropped", began_us=1, ended_us=2, missing=7))
            html = first_with(messages, 'class="gap-row"')
            assert "requests" in targets(html)
            assert "7 requests are missing" in html


def test_an_alarm_comes_and_goes_without_a_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    short: list[str] = []
    monkeypatch.setattr("app.main.shortage", lambda _folder: short[0] if short else None)
    with (
        listening(create_app(settings)) as origin,
        httpx2.Client(base_url=origin) as client,
    ):
        log_in(client)
        with stream(Panel(client), "/live/servers") as messages:
            next(messages)
            short.append("No room is left.")
            said = first_with(messages, "The request log cannot be written.")
            assert "No room is left." in said
            short.clear()
            assert "alarms" in targets(next(messages)[1])


def tail(html: str) -> dict[str, str]:
    """What the log's update says of itself."""
    (told,) = re.findall(r'<div id="tail" hidden([^>]*)>', html)
    return dict(re.findall(r'data-(\w+)="([^"]*)"', told))


def told_since(served: Panel, path: str, **headers: str) -> dict[str, str]:
    with served.http.stream("GET", path, headers=headers) as answer:
        assert answer.status_code == 200
        return tail(next(_messages(answer.iter_lines()))[1])


def test_a_stream_says_how_many_came_since_the_page_or_since_it_broke(served: Panel) -> None:
    served.define("echo")
    page = served.html("/requests?q=hello")
    first = served.talk("echo", b"hello 1")
    served.talk("echo", b"another")
    last = served.talk("echo", b"hello 2")
    (path,) = re.findall(r'hx-sse:connect="([^"]*)"', page)
    path = path.replace("&amp;", "&")
    told = {"place": last, "more": "2", "behind": "0"}
    assert tail(page) == {"place": "00000000-0"}
    assert told_since(served, path) == told
    assert told_since(served, path, **{"Last-Event-ID": first}) == {**told, "more": "1"}
    assert told_since(served, path, **{"Last-Event-ID": last}) == {**told, "more": "0"}
    with served.http.stream("GET", path) as answer:
        assert f"id: {last}" in iter(answer.iter_lines())
    for wrong in ("x", "20260314", "20260314-99999999999999999999"):
        refused = served.http.get("/live/requests", params={"since": wrong})
        assert refused.status_code == 422


def test_a_page_whose_server_is_deleted_says_so_and_ends(served: Panel) -> None:
    served.define("echo")
    with stream(served, "/live/servers/echo") as messages:
        next(messages)
        served.post("/servers/echo/delete")
        rest = list(messages)
    assert "All servers" in rest[-2][1]
    assert rest[-1][0] == "gone"


def test_a_server_that_is_not_there_has_no_stream(served: Panel) -> None:
    assert served.http.get("/live/servers/nope").status_code == 404


def test_open_streams_end_when_the_feed_closes(settings: Settings) -> None:
    sockpit = Sockpit(settings)
    with listening(web_app(sockpit)) as origin, httpx2.Client(base_url=origin) as client:
        log_in(client)
        panel = Panel(client)
        panel.define("echo")
        paths = ("/live/servers", "/live/servers/echo", "/live/requests")
        for path in paths:
            with stream(panel, path) as messages:
                next(messages)
                if path == paths[-1]:
                    sockpit.feed.close()
                    assert list(messages) == []
