"""What is kept of the bytes, chosen in the form and told on the server's page."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Watched
from tests.browser.test_kinds import choose, pictures
from tests.clients import Client
from tests.running import RunningApp


def test_what_is_kept_is_chosen_and_told(panel: Watched, app_process: RunningApp) -> None:
    page = panel.open("/new")
    page.get_by_label("Name", exact=True).fill("discreet")
    page.get_by_label("Handler").select_option("echo")
    number = page.get_by_label("Bytes of each direction")
    sentence = page.locator("[data-capture]:visible")
    for policy, words in (("preview", "first 256 bytes"), ("sizes", "None"), ("full", "All")):
        choose(page, "capture", policy)
        expect(sentence).to_contain_text(words)
        expect(number).to_be_visible(visible=policy == "full")
    number.fill("1000")
    page.get_by_label("Masks").fill("text:hunter2\nre:(")
    page.get_by_role("button", name="Create server").click()
    expect(page.locator("#error-mask")).to_contain_text("Mask 2")
    expect(page.get_by_label("Masks")).to_be_focused()
    pictures(page, "new-capture")
    page.get_by_label("Masks").fill("text:hunter2\nre:[0-9]{4}")
    page.get_by_role("button", name="Create server").click()
    expect(page.locator("#server-facts")).to_contain_text(
        "the first 1,000 bytes each way, 2 masks"
    )
    with Client(app_process.api.get("servers/discreet")) as client:
        client.ask(b"my hunter2 1234\n")
        expect(page.locator("#connection-rows .c-last")).to_have_text("not shown")
        pictures(page, "server-capture")
    (row,) = app_process.api.finished("discreet", 1)
    page.goto(f"{app_process.url}/requests/{row['id']}")
    expect(page.locator(".tape-line").first).to_contain_text("my ******* ****")
    page.goto(f"{app_process.url}/servers/discreet/edit")
    expect(page.get_by_label("Masks")).to_have_value("text:hunter2\nre:[0-9]{4}")
