"""T1: what strangers send, and what visitors type, is text on every page and does nothing there.

The corpus goes to servers over real sockets, and stands wherever a text of somebody's can stand;
then every page there is, and its streams, are looked at in a real Chromium.
"""

from __future__ import annotations

import base64
import html
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Request, expect

from app.web import router
from tests.browser.conftest import Watched, chromium, log_in
from tests.clients import Client, clients
from tests.conftest import LaunchApp
from tests.hostile import BY_NAME, PAYLOADS, Payload, foreign, of
from tests.running import PASSWORD, Api, Json, RunningApp, definition, offer
from tests.threats.routes import walk
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.browser

RAISING = """
    from socketserver import BaseRequestHandler

    class Raising(BaseRequestHandler):
        def handle(self):
            raise ValueError(self.request.recv(65536).decode("utf-8", "replace"))
"""

#: Elements, addresses and attributes: what a page must be looked at in a browser for.
LIVELY = of("html", "htmx")


class Trap:
    """An app with servers that the whole corpus was sent to."""

    def __init__(self, app: RunningApp, folder: Path) -> None:
        self.app, self.api, self.folder = app, app.api, folder
        raising = offer(app, "raising_text.py", RAISING)
        bodies = (
            ("tcp", {"name": "trap-tcp"}),
            ("udp", {"name": "trap-udp"}),
            ("unix", {"name": "trap-unix"}),
            ("unix-datagram", {"name": "trap-named"}),
            ("tcp", {"name": "trap-raising", "handler": raising}),
        )
        self.servers = {
            body["name"]: app.api.post("servers", definition(transport, **body))
            for transport, body in bodies
        }

    def send(self) -> None:
        """All of it to all of them, over connections of their own where there are any."""
        for name in ("trap-unix", "trap-raising"):
            for payload in PAYLOADS:
                with Client(self.servers[name]) as client:
                    client.say(payload.data)
        with Client(self.servers["trap-udp"]) as client:
            for payload in PAYLOADS:
                assert client.ask(payload.data) == payload.data
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE_S)
            client.bind(str(self.folder / '"><img src=x onerror=alert(1)>\n\nevent: pwn'))
            client.sendto(b"a name", str(self.servers["trap-named"]["server_address"]))
            assert client.recv(100) == b"a name"

    def rows(self, name: str) -> list[Json]:
        return self.api.finished(name, 1 if name == "trap-named" else len(PAYLOADS))

    def sent(self, name: str) -> list[tuple[str, Payload]]:
        """The id of each request, and what was sent by it. Servers may end them in any order."""
        by_data = {base64.b64encode(p.data).decode(): p for p in PAYLOADS}
        details = [self.api.get(f"requests/{row['id']}") for row in self.rows(name)]
        return [(detail["id"], by_data[detail["received"]["base64"]]) for detail in details]


@pytest.fixture
def trap(launch: LaunchApp, folder: Path) -> Trap:
    return Trap(launch().start(), folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def watched(browser: Browser, trap: Trap) -> Iterator[Watched]:
    with closing(browser.new_context(viewport={"width": 1280, "height": 800})) as context:
        log_in(context, trap.app.url, trap.api.log_in())
        yield Watched(context, trap.app.url)


def name_everything(trap: Trap) -> dict[str, str]:
    """Put the corpus wherever else a text is kept; what to put into the holes of the routes."""
    token = ""
    for payload in PAYLOADS:
        body = {"name": payload.text, "role": "viewer"}
        answer = trap.api.call("POST", "tokens", json=body)
        assert answer.status_code in (201, 422), payload.name
        if answer.is_success and payload in LIVELY:
            token = answer.json()["id"]
        named = trap.api.call("POST", "users", json={**body, "password": PASSWORD})
        assert named.status_code == 422, payload.name
    for payload in LIVELY:
        log_in_as(trap.app.url, payload.line)
    trap.api.post("certificates/self-signed", {"name": "trap", "hosts": ["localhost"]})
    deletion = trap.api.post("log/deletions", {"q": '"<img src=x onerror=alert(1)>"'})
    return {
        "{token_id}": token,
        "{deletion_id}": deletion["id"],
        "{day}": trap.rows("trap-tcp")[0]["id"].partition("-")[0],
        "{user}": "admin",
    }


def log_in_as(url: str, agent: bytes) -> None:
    """With a browser that says so of itself; what cannot stand in a header is refused."""
    fields = {"name": "admin", "password": PASSWORD}
    headers = [(b"user-agent", agent)]
    answer = httpx2.post(f"{url}/login", data=fields, headers=headers, trust_env=False)
    assert answer.status_code in (303, 400), answer.text


def pages(holes: dict[str, str], request_id: str) -> list[str]:
    """Every page that there is, from the route table: a new one must fit or be added here."""
    found = []
    for prefix, route in walk(router.routes):
        if "GET" in (route.methods or ()):
            path = prefix + route.path
            if path.startswith("/live/"):
                continue
            name = "trap" if path.startswith("/certificates") else "trap-tcp"
            for hole, value in {"{name}": name, "{request_id}": request_id, **holes}.items():
                path = path.replace(hole, value)
            assert "{" not in path, f"{path}: say what stands in its hole"
            found.append(path)
    assert {"/tokens", "/users", "/audit", "/account", "/login"} < set(found)
    return found


class Requests:
    """What the pages of one context asked for that no page of ours asks for by itself."""

    def __init__(self, watched: Watched, url: str) -> None:
        self.unasked: list[str] = []
        self._origin = url
        watched.context.on("request", self._note)

    def _note(self, request: Request) -> None:
        split = urlsplit(request.url)
        ours = f"{split.scheme}://{split.netloc}" == self._origin
        # A page is what a test opens; all the rest a page may have is its files and its stream.
        expected = request.is_navigation_request() and request.frame.parent_frame is None
        if split.path.startswith(("/static/", "/live/")):
            expected = True
        if not (ours and expected and request.method == "GET"):
            self.unasked.append(f"{request.method} {request.url}")


def test_t01_every_page_shows_the_corpus_as_text(trap: Trap, watched: Watched) -> None:
    requests = Requests(watched, trap.app.url)
    live = ["/servers/trap-tcp", "/servers/trap-raising", "/requests"]
    opened = [watched.open(path) for path in live]
    for page in opened:
        expect(page.locator("#live")).to_have_text("Live")
    with clients(trap.servers["trap-tcp"], len(PAYLOADS)) as connected:
        for client, payload in zip(connected, PAYLOADS, strict=True):
            client.ask(payload.data)
        expect(opened[0].locator("#connection-rows tr")).to_have_count(len(PAYLOADS))
        trap.send()
        told = opened[1].locator("#request-rows")
        expect(told).to_contain_text(BY_NAME["hx-post"].text)
        expect(told).to_contain_text(BY_NAME["formula"].text)
        expect(told).to_contain_text("你好，世界")
    expect(opened[0].locator("#request-rows")).to_contain_text("{{7*7}}")
    holes = name_everything(trap)
    for page in opened:
        expect(page.locator("#live")).to_have_text("Live")
        assert foreign(page.content()) == []
        watched.leave(page)
    page = watched.open("/servers")
    ids = [id_ for id_, payload in trap.sent("trap-tcp") if payload in LIVELY]
    others = {name: trap.rows(name)[0]["id"] for name in trap.servers}
    for path in (
        *pages(holes, others["trap-raising"]),
        *(f"/requests/{id_}" for id_ in (*ids, *others.values())),
        *(f"/requests/{id_}/conversation" for id_ in others.values()),
        *(f"/requests?server={name}" for name in trap.servers),
        *(f"/requests?q={quote(payload.data)}" for payload in of("html", "template")),
    ):
        watched.turn(page, path)
        assert foreign(page.content()) == [], path
    assert requests.unasked == []
    assert watched.all_complaints() == []
    states = {server["name"]: server["state"] for server in trap.api.get("servers")["items"]}
    assert set(states.values()) == {"running"}


def test_t01_pages_spell_the_corpus_out(trap: Trap) -> None:
    trap.send()
    for id_, payload in trap.sent("trap-raising"):
        page = trap.api.pages.get(f"/requests/{id_}").text
        assert foreign(page) == [], payload.name
        if payload.target in ("html", "htmx", "template") and payload.text.isprintable():
            assert html.escape(payload.text, quote=False) in _plain(page), payload.name
    listing = trap.api.pages.get("/requests?server=trap-raising&limit=500").text
    assert "&lt;img" in trap.api.pages.get(f"/requests?q={quote('<img src=x onerror')}").text
    assert "{{7*7}}" in listing
    assert "<img" not in listing


def test_t01_what_is_typed_comes_back_as_text(launch: LaunchApp) -> None:
    app = launch().start()
    for payload in of("html", "htmx", "template", "frame"):
        for path, answer in typed(app.api, payload.text, payload.line):
            where = f"{payload.name} at {path}"
            assert answer.status_code < 500, where
            assert foreign(answer.text) == [], where
            location = answer.headers.get("location", "/")
            assert location[:1] == "/", where
            assert location[1:2] not in ("/", "\\"), where
            if "set-cookie" in answer.headers and path != "/login":
                assert answer.headers["set-cookie"].startswith(("sockpit-flash", "sockpit-theme"))


def typed(api: Api, text: str, line: bytes) -> Iterator[tuple[str, httpx2.Response]]:
    """(path, answer) of every form and address that takes a text, each given this one."""
    agent = [(b"user-agent", line)]
    for path, fields in FORMS.items():
        data = dict.fromkeys(fields.split(), text)
        yield (
            path,
            api.pages.post(
                path, data=data, headers=[(b"user-agent", line)], follow_redirects=False
            ),
        )
    quoted = quote(text, safe="")
    for address in ADDRESSES:
        path = address.format(quoted)
        yield address, api.pages.get(path, headers=agent, follow_redirects=False)
    cookies = f"sockpit-flash=deleted.{quoted}; sockpit-theme={quoted}"
    yield "cookies", httpx2.get(f"{api.url}/login", headers={"cookie": cookies}, trust_env=False)


#: Each form, with its fields. None can be fulfilled by a text of the corpus alone.
FORMS = {
    "/login": "name password next",
    "/users": "name password role",
    "/tokens": "name role days servers",
    "/new": "name transport concurrency isolation handler host port max_connections",
    "/certificates": "name certificate key",
    "/account/password": "current password again",
    "/requests/retention": "max_age_days max_megabytes",
    "/requests/retention/20200101/delete": "typed",
    "/theme": "theme back",
    "/servers/nobody/start": "back",
}
ADDRESSES = (
    *("/requests?q={}", "/requests?server={}", "/requests?before={}", "/requests?after={}"),
    *("/login?next={}", "/setup?key={}", "/audit?before={}", "/{}", "/servers/{}"),
    *("/servers/{}/edit", "/servers/{}/delete", "/requests/{}", "/requests/{}/conversation"),
    *("/users/{}", "/users/{}/delete", "/tokens/{}/delete", "/certificates/{}/delete"),
    *("/requests/deletions/{}", "/requests/retention/{}/delete", "/live/servers/{}"),
    *("/live/requests/{}", "/live/deletions/{}", "/static/{}"),
)


def _plain(page: str) -> str:
    """Quotes may be spelt out between tags, and need not be."""
    return page.replace("&#34;", '"').replace("&#39;", "'")


def test_t01_what_is_not_escaped_would_be_seen() -> None:
    """So that the tests above are worth something."""
    places = ("<p>{}</p>", '<p title="{}">', "<a href='{}'>", '<a href="{}">', "<!-- {} -->")
    unseen = {
        payload.name
        for payload in LIVELY
        if not any(foreign(place.replace("{}", payload.text)) for place in places)
    }
    assert unseen == {"dangling", "entities", "half-escaped", "script-start", "utf-7"}
    assert not any(foreign(f"<p>{html.escape(payload.text)}</p>") for payload in PAYLOADS)
