"""Every page in three widths and both themes, with JavaScript and without; and screenshots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SCREENSHOTS, Watched, log_in
from tests.clients import Client, clients
from tests.running import RunningApp, definition
from tests.waiting import eventually

WIDTHS = (360, 768, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture
def furnished(app_process: RunningApp) -> Iterator[RunningApp]:
    """Some servers in different states, with clients and requests."""
    api = app_process.api
    clock = api.post("servers", definition(name="clock", handler="clock"))
    syslog = api.post("servers", definition("udp", name="syslog", handler="discard"))
    api.post("servers", definition("unix", name="control-channel", wanted="stopped"))
    with clients(clock, 3) as connected, Client(syslog) as sender:
        for number, client in enumerate(connected):
            client.send(b"sensor=%d t=21.%d\n" % (number, number))
            assert client.sock.recv(200).endswith(b"t=21.%d\n" % number)
        connected[-1].close()
        sender.send("<13>1 2026-11-23T10:00:00Z 温度 21.5 °C".encode())
        eventually(lambda: len(api.requests()) == 4)
        yield app_process


def paths(app: RunningApp) -> dict[str, str]:
    newest = app.api.requests("clock")[0]["id"]
    return {
        "servers": "/servers",
        "server": "/servers/clock",
        "new": "/new",
        "edit": "/servers/clock/edit",
        "delete": "/servers/clock/delete",
        "requests": "/requests",
        "request": f"/requests/{newest}",
        "conversation": f"/requests/{newest}/conversation",
        "retention": "/requests/retention",
        "handlers": "/handlers",
        "missing": "/servers/nobody",
    }


@pytest.mark.timeout(150)
def test_no_page_scrolls_sideways_or_complains(furnished: RunningApp, panel: Watched) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in paths(furnished).items():
        page = panel.open(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if page.locator("#live-region").count():
            expect(page.locator("#live")).to_have_text("Live")
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-{width}.png")
        panel.leave(page)


def test_without_javascript_everything_is_there_and_works(
    furnished: RunningApp, browser: Browser
) -> None:
    context = browser.new_context(java_script_enabled=False)
    log_in(context, furnished.url, furnished.api.log_in())
    page = context.new_page()
    for path in paths(furnished).values():
        page.goto(furnished.url + path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert "/login" not in page.url
    page.goto(furnished.url + "/servers")
    row = page.locator("#server-clock")
    row.get_by_role("button", name="Stop").click()
    expect(page.locator("#server-clock .state")).to_have_text("stopped")
    row.get_by_role("button", name="Start").click()
    expect(page.locator("#server-clock .state")).to_have_text("running")
    page.goto(furnished.url + "/new")
    page.get_by_label("Name", exact=True).fill("plain")
    page.get_by_role("button", name="Create server").click()
    expect(page.get_by_role("heading", level=1, name="plain")).to_be_visible()
    assert furnished.api.get("servers/plain")["state"] == "running"
    context.close()


def test_the_chosen_theme_stays(panel: Watched) -> None:
    page = panel.open("/servers")
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(page.url.replace("/servers", "/requests"))
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
