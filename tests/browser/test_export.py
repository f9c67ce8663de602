"""Exporting by a click: the page says how far it is, and can stop it."""

from __future__ import annotations

from contextlib import closing

import pytest
from playwright.sync_api import Download, Page, expect

from app.store.day_files import DayFiles
from tests.app.store.samples import finished
from tests.browser.conftest import Watched
from tests.conftest import LaunchApp
from tests.running import RunningApp

#: With their payloads some 200 MB as JSON Lines: seconds of work, however quick the machine.
MANY = 12_000
PAYLOAD = b"ping " * 1_300


@pytest.fixture
def app_process(launch: LaunchApp) -> RunningApp:
    """One whose log is long already."""
    app = launch()
    with closing(DayFiles(app.data_dir)) as store:
        for first in range(0, MANY, 1_000):
            store.append([finished(first + n, PAYLOAD) for n in range(1_000)])
        store.append([finished(MANY + n, "温度".encode()) for n in range(3)])
    return app.start()


def begun(page: Page, name: str) -> Download:
    with page.expect_download() as saved:
        page.get_by_role("link", name=name).click()
    return saved.value


def test_what_is_found_is_saved_and_counted(panel: Watched) -> None:
    page = panel.open("/requests?q=温度")
    saved = begun(page, "CSV")
    expect(page.locator("#exporting")).to_contain_text("CSV: 3 requests saved.")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    assert saved.path().read_text(encoding="utf-8-sig").count("温度") == 6
    # The same once more is an export of its own.
    assert begun(page, "JSON Lines").path().read_bytes().count(b"\n") == 3
    expect(page.locator("#exporting")).to_contain_text("JSON Lines: 3 requests saved.")
    panel.leave(page)


def test_a_long_one_tells_how_far_it_is_and_is_stopped(
    app_process: RunningApp, panel: Watched
) -> None:
    page = panel.open("/requests")
    saved = begun(page, "JSON Lines")
    expect(page.locator("#exporting")).to_contain_text(" of about ")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#exporting")).to_contain_text("stopped after")
    assert saved.failure() is not None
    assert "Traceback" not in app_process.log
    panel.leave(page)
