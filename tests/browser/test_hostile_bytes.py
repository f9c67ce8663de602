"""What strangers send is shown, and does nothing."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.clients import clients
from tests.running import RunningApp, definition

PAYLOADS = (
    b"<img src=x onerror=alert(1)>",
    b'"><script>alert(2)</script>',
    b"\n\nevent: x\ndata: <script>alert(3)</script>\n\n",
    b'<b hx-post="/servers/trap/stop" hx-trigger="load">x</b>',
    b'</hx-partial><hx-partial hx-target="body">gone</hx-partial>',
    b"{{7*7}} ${7*7} javascript:alert(4)",
    b"\0\x1b]0;x\x07\xff\xfe\xe2\x80\xae",
    "你好，世界".encode(),
)


def test_every_page_shows_them_as_text(panel: Watched, app_process: RunningApp) -> None:
    api = app_process.api
    server = api.post("servers", definition(name="trap"))
    pages = [panel.open(path) for path in ("/servers", "/servers/trap", "/requests")]
    with clients(server, len(PAYLOADS)) as connected:
        for client, payload in zip(connected, PAYLOADS, strict=True):
            assert client.ask(payload) == payload
        for page in pages[1:]:
            expect(page.locator("#request-rows tr")).to_have_count(len(PAYLOADS))
        expect(pages[1].locator("#connection-rows tr")).to_have_count(len(PAYLOADS))
    expect(pages[2].locator("#request-rows")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(pages[2].locator("#request-rows")).to_contain_text("你好，世界")
    expect(pages[2].locator("#request-rows")).to_contain_text("{{7*7}}")
    for row in api.requests():
        page = panel.open(f"/requests/{row['id']}")
        expect(page.get_by_role("heading", name="Tape")).to_be_visible()
        expect(page.locator("img")).to_have_count(0)
        expect(page.locator("b[hx-post]")).to_have_count(0)
        panel.leave(page)
    expect(pages[0].locator("#server-trap .state")).to_have_text("running")
    for page in pages:
        expect(page.locator("#live")).to_have_text("Live")
