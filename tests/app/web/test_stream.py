"""The streams, from a real server: what is sent first, what later, and how they end."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from app.main import Sockpit, web_app
from app.settings import Settings
from tests.app.web.conftest import HOSTILE_LINE, Panel, listening


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
        panel = Panel(client)
        panel.define("echo")
        paths = ("/live/servers", "/live/servers/echo", "/live/requests")
        for path in paths:
            with stream(panel, path) as messages:
                next(messages)
                if path == paths[-1]:
                    sockpit.feed.close()
                    assert list(messages) == []
