"""T3: no payload ends the frame of an event that it stands in, nor begins one of its own."""

from __future__ import annotations

import re

from tests.clients import Client
from tests.conftest import MakeServer
from tests.hostile import PAYLOADS, foreign
from tests.running import Api, Json
from tests.waiting import eventually
from tests.watching import Watch, watching

TOPICS = {"server", "server.deleted", "connection.opened", "connection.closed", "request", "gap"}

#: Names of fields that a stream of ours has; a payload would add `retry` or a word of its own.
FIELDS = {b"", b"event", b"data", b"id"}


def lines(watch: Watch) -> list[bytes]:
    """As an EventSource takes them apart."""
    return re.split(rb"\r\n|\r|\n", watch.raw)


def test_t03_events_of_the_api(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    previews = {payload.data[:64].decode("utf-8", "replace") for payload in PAYLOADS}
    with watching(api.url, server=server["name"]) as watch:
        for payload in PAYLOADS:
            with Client(server) as client:
                client.ask(payload.data)

        def told() -> list[Json]:
            rows = [row for row in watch.data("request") if row["outcome"] == "ok"]
            assert len({row["id"] for row in rows}) == len(PAYLOADS)
            return rows

        assert {row["preview"] for row in eventually(told)} == previews
        assert {topic for topic, _ in watch.events()} <= TOPICS
        assert {line.partition(b":")[0] for line in lines(watch)} <= FIELDS - {b"id"}


def test_t03_streams_of_the_pages(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with watching(api.url, f"/live/servers/{server['name']}") as watch:
        for payload in PAYLOADS:
            with Client(server) as client:
                client.ask(payload.data)
        api.finished(server["name"], len(PAYLOADS))
        eventually(lambda: b"&#39;); DROP TABLE" in watch.raw)
        found = lines(watch)
        assert {line.partition(b":")[0] for line in found} <= FIELDS
        assert [line for line in found if line.startswith(b"event:")] == []
        html = b"\n".join(line.removeprefix(b"data: ") for line in found if line[:5] == b"data:")
        assert b"</hx-partial><hx-partial hx-target=&" not in html
        partials = html.decode().replace("<hx-partial ", "<p ")
        assert foreign(partials) == []
        targets = set(re.findall(r'<p hx-target="([^"]+)"', partials))
        assert targets <= {
            *("#server-head", "#server-actions", "#server-facts", "#gap", "#connections"),
            "#requests",
        }
