"""The stream of events: what it tells, of whom, and that nothing in a payload can break it."""

from __future__ import annotations

from app.services.live import QUEUE_LIMIT, Notice
from tests.app.soon import SOON_S
from tests.clients import Client, clients
from tests.conftest import MakeServer
from tests.running import Api, AppThread, Json
from tests.waiting import DEADLINE_S, equal, eventually
from tests.watching import Watch, watching

TOPICS = {
    "server",
    "server.deleted",
    "connection.opened",
    "connection.closed",
    "request",
    "gap",
}


def states(watch: Watch) -> list[str]:
    """The states that were told, without repetitions."""
    told = [server["state"] for server in watch.data("server")]
    return [state for i, state in enumerate(told) if i == 0 or told[i - 1] != state]


def test_stream_is_what_an_event_source_expects(api: Api) -> None:
    with watching(api.url) as watch:
        headers = watch.response.headers
        assert headers["content-type"].startswith("text/event-stream")
        assert headers["cache-control"] == "no-store"
        assert watch.raw.startswith(b":")


def test_start_and_stop_by_rest_are_told(api: Api, make_server: MakeServer) -> None:
    server = make_server(wanted="stopped")
    name = server["name"]
    with watching(api.url, server=name) as watch:
        started = api.post(f"servers/{name}/start")
        equal(lambda: states(watch), ["running"], SOON_S)
        assert watch.data("server")[-1] == started
        api.post(f"servers/{name}/stop")
        equal(lambda: states(watch), ["running", "stopped"], SOON_S)


def test_start_and_stop_by_the_panel_are_told(api: Api, make_server: MakeServer) -> None:
    name = make_server(wanted="stopped")["name"]
    with watching(api.url, server=name) as watch:
        assert api.pages.post(f"/servers/{name}/start").status_code == 303
        equal(lambda: states(watch), ["running"], SOON_S)
        assert api.pages.post(f"/servers/{name}/stop").status_code == 303
        equal(lambda: states(watch), ["running", "stopped"], SOON_S)


def test_creation_and_deletion_are_told(api: Api, make_server: MakeServer) -> None:
    with watching(api.url) as watch:
        name = make_server(wanted="stopped")["name"]
        eventually(lambda: [s for s in watch.data("server") if s["name"] == name], SOON_S)
        api.delete(f"servers/{name}")
        eventually(lambda: {"server": name} in watch.data("server.deleted"), SOON_S)


def test_failure_to_start_is_told_with_its_cause(api: Api, make_server: MakeServer) -> None:
    taken = make_server()["server_address"]
    address = {"host": taken[0], "port": taken[1]}
    name = make_server(wanted="stopped", address=address)["name"]
    with watching(api.url, server=name) as watch:
        api.refused(409, "POST", f"servers/{name}/start")
        eventually(lambda: states(watch)[-1:] == ["failed"], SOON_S)
        assert f"127.0.0.1:{taken[1]}" in watch.data("server")[-1]["error"]


def test_clients_are_told_as_they_come_and_go(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with watching(api.url, server=server["name"]) as watch:
        with clients(server, 3) as connected:
            peers = sorted(client.peer for client in connected)
            equal(lambda: sorted(_peers(watch, "connection.opened")), peers, SOON_S)
            assert _peers(watch, "connection.closed") == []
            equal(lambda: _counts(watch)[-1:], [3], SOON_S)
        eventually(lambda: sorted(_peers(watch, "connection.closed")) == peers, SOON_S)
        equal(lambda: _counts(watch)[-1:], [0], SOON_S)
        ids = [data["id"] for data in watch.data("connection.opened")]
        assert sorted(ids) == [1, 2, 3]


def _counts(watch: Watch) -> list[int]:
    return [server["connections"] for server in watch.data("server")]


def _peers(watch: Watch, topic: str) -> list[str]:
    return [data["peer"] for data in watch.data(topic)]


def test_disconnection_by_rest_is_told(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with Client(server) as client, watching(api.url, server=server["name"]) as watch:
        (connection,) = eventually(lambda: api.connections(server["name"]))
        api.delete(f"servers/{server['name']}/connections/{connection['id']}")
        equal(lambda: _peers(watch, "connection.closed"), [client.peer], SOON_S)
        _outcome(watch, "disconnected", SOON_S)


def _rows(watch: Watch) -> list[Json]:
    return watch.data("request")


def _outcome(watch: Watch, outcome: str, timeout_s: float = DEADLINE_S) -> None:
    """Wait until the row that was told last ended like this."""
    equal(lambda: [row["outcome"] for row in _rows(watch)][-1:], [outcome], timeout_s)


def test_requests_are_told_as_they_are_stored(api: Api, make_server: MakeServer) -> None:
    server = make_server("udp")
    with watching(api.url, server=server["name"]) as watch:
        with Client(server) as client:
            for number in range(3):
                client.ask(b"datagram %d" % number)
        eventually(lambda: len(_rows(watch)) == 3, SOON_S)
        assert _rows(watch) == api.requests(server["name"])[::-1]


def test_open_request_is_told_again_when_it_ends(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    with watching(api.url, server=server["name"]) as watch:
        with Client(server) as client:
            client.ask(b"hello")
            _outcome(watch, "open", SOON_S)
        _outcome(watch, "ok", SOON_S)
        assert len({row["id"] for row in _rows(watch)}) == 1


def test_watcher_of_one_server_hears_of_no_other(api: Api, make_server: MakeServer) -> None:
    watched, other = make_server(), make_server()
    with watching(api.url, server=watched["name"]) as watch:
        for server in (other, watched):
            with Client(server) as client:
                client.ask(b"hello")
            api.finished(server["name"], 1)
        _outcome(watch, "ok")
        names = {data.get("server", data.get("name")) for _, data in watch.events()}
        assert names == {watched["name"]}


def test_everybody_hears_the_same(api: Api, make_server: MakeServer) -> None:
    server = make_server()
    name = server["name"]
    with watching(api.url, server=name) as one, watching(api.url, server=name) as other:
        with Client(server) as client:
            client.ask(b"hello")
        for watch in (one, other):
            _outcome(watch, "ok")
            assert _peers(watch, "connection.closed") == [client.peer]


def test_who_lags_behind_is_told_how_much_was_missed(
    api: Api, app_thread: AppThread, name: str
) -> None:
    notice = Notice("connection.opened", name, connection_id=1, peer="127.0.0.1:1")
    with watching(api.url, server=name) as watch:
        app_thread.sockpit.feed.publish(*[notice] * (QUEUE_LIMIT + 7))
        equal(lambda: watch.data("gap"), [{"missed": 7}])
        assert len(watch.data("connection.opened")) == QUEUE_LIMIT
        app_thread.sockpit.feed.publish(notice)
        eventually(lambda: len(watch.data("connection.opened")) == QUEUE_LIMIT + 1)


def test_watcher_that_left_is_forgotten(api: Api, app_thread: AppThread) -> None:
    feed = app_thread.sockpit.feed
    equal(lambda: feed.watchers, 0)  # those of other tests have left
    with watching(api.url):
        assert feed.watchers == 1
    equal(lambda: feed.watchers, 0)
