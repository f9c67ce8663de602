"""What the log lacks, in a real browser: at its place, in both themes, on a phone, and live."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import closing

import pytest
from playwright.sync_api import expect

from app.log_facts import Gap
from app.store.day_files import DayFiles
from tests.app.store.samples import finished
from tests.browser.conftest import SCREENSHOTS, Watched
from tests.clients import ask
from tests.conftest import LaunchApp
from tests.running import RunningApp, definition

DAY_US = 86_400_000_000
NOW_US = 1_795_392_000_000_000

GAPS = (
    Gap(reason="dropped", began_us=NOW_US, ended_us=NOW_US + 1_234_567, missing=1_904),
    Gap(reason="no_room", began_us=NOW_US, ended_us=NOW_US + 61_000_000, missing=1),
    Gap(reason="failed", began_us=NOW_US, ended_us=NOW_US + DAY_US, missing=2),
    Gap(reason="unclean", began_us=NOW_US, ended_us=NOW_US + 5_000_000, missing=None),
    Gap(reason="stalled", began_us=NOW_US, ended_us=NOW_US + 30_000_000, missing=None),
    Gap(reason="clock_step", began_us=NOW_US, ended_us=NOW_US - DAY_US, missing=0),
)


@pytest.fixture
def app_process(launch: LaunchApp) -> RunningApp:
    """An app whose log has a gap of each kind, each after a request."""
    app = launch()
    with closing(DayFiles(app.data_dir)) as store:
        for number, gap in enumerate(GAPS):
            store.append([finished(number, server="echo", started_us=NOW_US + number)])
            store.note(gap)
    app.start()
    app.api.post("servers", definition(name="echo"))
    return app


def test_gaps_stand_among_the_requests_on_every_screen(
    app_process: RunningApp, panel: Watched
) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in (("requests", "/requests"), ("server", "/servers/echo")):
        page = panel.open(path)
        rows = page.locator("#request-rows tr")
        expect(rows).to_have_count(2 * len(GAPS))
        reasons = [row.get_attribute("data-gap") for row in rows.all()]
        assert reasons[0::2] == [gap.reason for gap in reversed(GAPS)]
        assert set(reasons[1::2]) == {None}
        expect(rows.nth(10)).to_contain_text("1,904 requests are missing")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for width in (360, 768, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                for row in page.locator(".gap-row .gap-said").all():
                    box = row.bounding_box()
                    assert box is not None
                    assert box["width"] >= 160
                    assert box["x"] + box["width"] <= width
                page.screenshot(
                    path=SCREENSHOTS / f"gaps-{name}-{theme}-{width}.png", full_page=True
                )
        panel.leave(page)


def test_a_search_for_a_payload_has_none(app_process: RunningApp, panel: Watched) -> None:
    page = panel.open("/requests?q=hello")
    expect(page.locator("#request-rows tr")).to_have_count(len(GAPS))
    expect(page.locator(".gap-row")).to_have_count(0)


def test_a_gap_comes_by_itself(app_process: RunningApp, panel: Watched) -> None:
    page = panel.open("/requests")
    expect(page.locator("#live")).to_have_text("Live")
    os.kill(app_process.pid, signal.SIGSTOP)
    threading.Event().wait(3)
    os.kill(app_process.pid, signal.SIGCONT)
    expect(page.locator("#request-rows tr").first).to_contain_text("Sockpit stood still")
    ask(app_process.api.get("servers/echo"), b"after it")
    expect(page.locator("#request-rows tr").first).to_contain_text("after it")
    expect(page.locator("#request-rows tr").nth(1)).to_contain_text("Sockpit stood still")
