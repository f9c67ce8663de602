from __future__ import annotations

import re

import pytest

from app.settings import Settings
from tests.app.web.conftest import HTMX, Panel, until

HOSTILE = (
    b"<img src=x onerror=alert(1)>\r\n\n\nevent: x\ndata: </template><hx-partial>\x00\xff"
    + "你好".encode()
)


def test_the_root_leads_to_the_servers(panel: Panel) -> None:
    answer = panel.http.get("/", follow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers")


def test_no_server_yet_is_a_place_to_start(panel: Panel) -> None:
    html = panel.html("/servers")
    assert 'href="/new">New server</a>' in html
    assert "/api/v1/servers" in html


def test_a_server_stands_in_its_row_with_what_it_has(panel: Panel) -> None:
    status = panel.define("clock", handler="clock", limits={"max_connections": 7})
    host, port = status["server_address"]
    row = _element(panel.html("/servers"), "tr", "server-clock")
    for part in (
        f"{host}:{port}",
        f"fd {status['fileno']}",
        "<span>0</span> / <span>7</span>",
        "tcp · pool",
        "running",
    ):
        assert part in row
    assert 'action="/servers/clock/stop"' in row


@pytest.mark.parametrize(
    ("transport", "line"),
    [
        ("tcp", r"nc 127\.0\.0\.1 \d+"),
        ("udp", r"nc -u 127\.0\.0\.1 \d+"),
        ("unix", r"nc -U /\S+/a\.sock"),
        ("unix-datagram", r"nc -uU /\S+/a\.sock"),
    ],
)
def test_a_server_page_has_the_line_to_reach_it(panel: Panel, transport: str, line: str) -> None:
    address = {"name": "a.sock"} if "unix" in transport else {"host": "127.0.0.1", "port": 0}
    panel.define("a", transport=transport, address=address)
    assert re.search(f'data-copy="{line}"', panel.html("/servers/a"))


def test_hostile_bytes_are_shown_and_never_run(panel: Panel) -> None:
    panel.define("echo")
    request_id = panel.talk("echo", HOSTILE)
    for path in ("/requests", "/requests?server=echo", "/servers/echo", f"/requests/{request_id}"):
        html = panel.html(path)
        assert "<img" not in html
        assert "</template>" not in html
        assert "\x00" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;↵" in panel.html("/requests")
    assert "3C 69 6D 67 20 73 72 63" in panel.html(f"/requests/{request_id}")


def test_an_error_is_shown_with_its_traceback(panel: Panel) -> None:
    panel.define("greeter", handler="greeter.py:Greeter")
    request_id = panel.talk("greeter", b"boom\n")
    html = panel.html(f"/requests/{request_id}")
    assert "ValueError: &lt;b&gt;boom&lt;/b&gt;" in html
    assert "Traceback (most recent call last)" in html
    assert "<span>1</span> failed" in _element(panel.html("/servers"), "tr", "server-greeter")


def test_the_log_is_paged_and_the_newest_page_lives(panel: Panel) -> None:
    panel.define("echo")
    for number in range(53):
        panel.say("echo", b"%d" % number)
    rows = until(lambda: found if len(found := panel.requests("echo")) == 53 else None)
    ids = [row["id"] for row in reversed(rows)]
    first = panel.html("/requests?server=echo")
    assert re.findall(r'<tr id="request-([\d-]+)"', first) == ids[:2:-1]
    assert "hx-sse:connect" in first
    older = re.search(r'href="(/requests\?q=server%3Aecho&amp;before=[^"]+)">Older', first)
    assert older
    second = panel.html(older.group(1).replace("&amp;", "&"))
    assert re.findall(r'<tr id="request-([\d-]+)"', second) == ids[2::-1]
    assert "hx-sse:connect" not in second


def test_handlers_are_listed_and_a_broken_one_says_why(panel: Panel, settings: Settings) -> None:
    (settings.handlers_dir / "bad.py").write_text("import no_such_module_here\n")
    assert "bad.py" not in panel.html("/handlers")
    assert panel.post("/handlers/rescan").status_code == 303
    html = panel.html("/handlers")
    assert "greeter.py:Greeter" in html
    assert str(settings.handlers_dir) in html
    assert re.search(r"<details>.*no_such_module_here.*</details>", html, re.S)


def test_deleting_is_confirmed_by_name_and_told_once(panel: Panel) -> None:
    panel.define("echo")
    confirm = panel.html("/servers/echo/delete")
    assert "Delete echo?" in confirm
    assert "Nobody is connected" in confirm
    answer = panel.post("/servers/echo/delete")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers")
    assert "echo was deleted" in panel.html("/servers")
    assert "echo was deleted" not in panel.html("/servers")


@pytest.mark.parametrize("path", ["/servers/nope", "/requests/20270101-1", "/nothing/here"])
def test_what_is_not_there_is_a_page_that_leads_on(panel: Panel, path: str) -> None:
    html = panel.html(path, 404)
    assert "<h1>Not found</h1>" in html
    assert 'href="/servers">All servers</a>' in html


def test_htmx_gets_a_refusal_as_a_line_in_its_page(panel: Panel) -> None:
    answer = panel.http.post("/servers/nope/start", headers=HTMX)
    assert answer.status_code == 404
    assert answer.text.startswith('<hx-partial hx-target="#notice"')
    assert answer.headers["Vary"] == "HX-Request"


def test_a_theme_is_kept_and_the_way_back_stays_here(panel: Panel) -> None:
    assert 'data-theme="auto"' in panel.html("/servers")
    answer = panel.post("/theme", theme="dark", back="/requests?server=echo")
    assert answer.headers["Location"] == "/requests?server=echo"
    assert 'data-theme="dark" class="dark"' in panel.html("/servers")
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example"):
        assert panel.post("/theme", theme="pink", back=elsewhere).headers["Location"] == "/"
    assert 'data-theme="dark"' in panel.html("/servers")


def test_assets_are_named_by_their_content(panel: Panel) -> None:
    for url in re.findall(r'(?:href|src)="(/static/[^"#]+)', panel.html("/servers")):
        answer = panel.http.get(url)
        assert answer.status_code == 200, url
        assert "immutable" in answer.headers["Cache-Control"]


def _element(html: str, tag: str, identity: str) -> str:
    found = re.search(rf'<{tag} id="{identity}".*?</{tag}>', html, re.S)
    assert found, f"no {tag} #{identity}"
    return found.group()
