"""Deleting what a search finds, by clicks in a real browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import SCREENSHOTS, Watched
from tests.browser.test_pages import THEMES, WIDTHS
from tests.clients import ask
from tests.running import RunningApp, definition


def test_what_is_found_is_counted_confirmed_and_gone(
    app_process: RunningApp, panel: Watched
) -> None:
    api = app_process.api
    echo = api.post("servers", definition(name="echo"))
    for said in ("温度 21", "温度 22", "pong"):
        ask(echo, said.encode())
    api.finished("echo", 3)
    beside = panel.open("/requests")
    expect(beside.locator("#live")).to_have_text("Live")
    page = panel.open("/requests")
    page.get_by_label("Search the log").fill("温度")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Delete these").click()
    expect(page.locator("#deletion strong")).to_have_text("2 requests go")
    _screenshots(page, "deletion")
    page.get_by_label("To delete them, type 2").fill("3")
    page.get_by_role("button", name="Delete 2 requests").click()
    expect(page.get_by_text("That is not 2. Nothing was deleted.")).to_be_visible()
    ask(echo, "温度 23, which came too late".encode())
    api.finished("echo", 4)
    page.get_by_label("To delete them, type 2").fill("2")
    page.get_by_role("button", name="Delete 2 requests").click()
    expect(page.locator("#deletion")).to_contain_text("2 requests were deleted.")
    page.get_by_role("link", name="The search").click()
    expect(page.locator("#request-rows tr")).to_have_count(1)
    expect(beside.locator("#request-rows tr")).to_have_count(2)
    panel.leave(page)


def _screenshots(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.screenshot(path=SCREENSHOTS / f"{name}-{theme}-{width}.png")
    page.set_viewport_size({"width": 1280, "height": 800})
