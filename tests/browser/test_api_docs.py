"""The page of the API in a real browser, under our content policy."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import SCREENSHOTS, Watched
from tests.browser.test_pages import THEMES, WIDTHS


def test_an_operation_is_opened_and_leads_to_its_shapes(panel: Watched) -> None:
    page = panel.open("/tokens")
    page.get_by_role("main").get_by_role("link", name="API").click()
    page.get_by_text("Create server").click()
    entry = page.locator("#createServer")
    expect(entry).to_contain_text("Define a server")
    expect(entry.locator("pre")).to_contain_text("-H 'Authorization: Bearer TOKEN'")
    entry.get_by_role("link", name="InetAddressBody").click()
    expect(page.locator("#shape-InetAddressBody")).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.locator("#createServer .api-curl").scroll_into_view_if_needed()
            page.screenshot(path=SCREENSHOTS / f"docs-{theme}-{width}.png")
