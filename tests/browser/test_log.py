"""The log in a real browser: searching, chips, exports, and copies that can be used."""

from __future__ import annotations

import ast
import subprocess

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.clients import ask
from tests.running import RunningApp, definition
from tests.waiting import eventually

ODD = b'it\'s 100% \\ "quoted" $HOME `id` \x00\xff\n' + "温度".encode()


@pytest.fixture
def talked(app_process: RunningApp) -> RunningApp:
    api = app_process.api
    echo = api.post("servers", definition(name="echo"))
    for said in (b"Ping 1", "温度 21".encode(), b"pong", ODD):
        ask(echo, said)
    eventually(lambda: len(api.finished("echo", 4)) == 4)
    return app_process


def rows(page: Page) -> int:
    return page.locator("#request-rows tr").count()


def test_a_search_is_typed_lives_and_is_taken_back(talked: RunningApp, panel: Watched) -> None:
    page = panel.open("/requests")
    expect(page.locator("#request-rows tr")).to_have_count(4)
    page.get_by_label("Search the log").fill("温度 -quoted")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#request-rows tr")).to_have_count(1)
    expect(page.locator("#live")).to_have_text("Live")
    ask(talked.api.get("servers/echo"), "温度 22".encode())
    ask(talked.api.get("servers/echo"), b"something else")
    expect(page.locator("#request-rows tr")).to_have_count(2)
    page.get_by_role("link", name="Remove -quoted").click()
    expect(page.locator("#request-rows tr")).to_have_count(3)
    page.get_by_role("link", name="Remove 温度").click()
    expect(page.locator("#request-rows tr")).to_have_count(6)
    panel.leave(page)


def test_a_line_that_is_wrong_says_so_beside_the_field(talked: RunningApp, panel: Watched) -> None:
    page = panel.open("/requests?q=colour%3Ared")
    expect(page.get_by_label("Search the log")).to_have_value("colour:red")
    expect(page.get_by_label("Search the log")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#search-said .alarm")).to_contain_text("colour")
    expect(page.get_by_text("text, in what was received or sent")).to_be_visible()
    panel.leave(page)


def test_what_is_found_is_exported(talked: RunningApp, panel: Watched) -> None:
    page = panel.open("/requests?q=pong")
    with page.expect_download() as saved:
        page.get_by_role("link", name="pcapng").click()
    assert saved.value.suggested_filename.endswith(".pcapng")
    assert b"pong" in saved.value.path().read_bytes()
    panel.leave(page)


def copied(page: Page, name: str) -> str:
    page.get_by_role("button", name=f"Copy received bytes as {name}").click()
    expect(page.locator("#said")).to_have_text("Copied")
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def test_copies_are_the_same_bytes(talked: RunningApp, panel: Watched) -> None:
    panel.context.grant_permissions(["clipboard-read", "clipboard-write"])
    (row,) = talked.api.get("requests", q="quoted")["items"]
    page = panel.open(f"/requests/{row['id']}")
    assert ast.literal_eval(copied(page, "python")) == ODD
    assert bytes.fromhex(copied(page, "hex")) == ODD
    command = copied(page, "nc")
    answer = subprocess.run(["sh", "-c", command], capture_output=True, timeout=20, check=True)
    assert answer.stdout == ODD
    panel.leave(page)


def test_a_byte_is_gone_to_by_the_form_and_by_the_address(
    talked: RunningApp, panel: Watched
) -> None:
    ask(talked.api.get("servers/echo"), bytes(range(256)) * 20)
    (row,) = talked.api.finished("echo", 5)[:1]
    page = panel.open(f"/requests/{row['id']}")
    page.get_by_label("Go to byte").fill("0x1234")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator("mark#at")).to_have_text("34")
    expect(page.locator("mark#at")).to_be_in_viewport()
    assert page.url.endswith("#at")
    page.get_by_label("Go to byte").fill("5120")
    page.get_by_label("of", exact=True).select_option("sent")
    page.get_by_role("button", name="Go", exact=True).click()
    expect(page.locator("#error-at")).to_contain_text(
        "5,120 bytes were sent: 0 to 5,119 (0x13ff)."
    )
    expect(page.get_by_label("Go to byte")).to_be_focused()
    panel.leave(page)
    page = panel.open(f"/requests/{row['id']}#sent-0x10ab")
    expect(page.locator("mark#at")).to_have_text("AB")
    expect(page.locator("mark#at")).to_be_in_viewport()
    page.evaluate("location.hash = 'received-255'")
    expect(page.locator("mark#at")).to_have_text("FF")
    panel.leave(page)
