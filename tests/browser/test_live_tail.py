"""The live log in a real browser: it holds still while somebody reads, and passes over nothing
without a word."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.app.soon import PATIENCE
from tests.browser.conftest import Watched
from tests.browser.live import (
    FLOOD_PER_S,
    accounted,
    flood,
    passed_over,
    shown,
    stored,
    watched_log,
)
from tests.clients import Client, ask
from tests.running import RunningApp, definition
from tests.waiting import equal

#: What an input event may wait at most to be handled, for nearly all of them.
QUICK_MS = 200.0 * PATIENCE


@pytest.fixture
def sink(app_process: RunningApp) -> Any:
    return app_process.api.post("servers", definition("udp", name="sink", handler="discard"))


@pytest.fixture
def echo(app_process: RunningApp) -> Any:
    return app_process.api.post("servers", definition(name="echo"))


def test_it_pauses_by_space_and_says_how_much_is_new(
    app_process: RunningApp, echo: Any, panel: Watched
) -> None:
    ask(echo, b"before")
    app_process.api.finished("echo", 1)
    page = watched_log(panel)
    pill = page.get_by_role("button", name="Live")
    expect(pill).to_have_attribute("aria-keyshortcuts", "Space")
    page.keyboard.press("Space")
    expect(page.locator("#live")).to_have_text("Paused")
    expect(page.locator("#live-said")).to_have_text("Paused")
    for number in range(3):
        ask(echo, b"new %d" % number)
    expect(page.locator("#live")).to_have_text("Paused - 3 new")
    expect(page.locator("#request-rows tr")).to_have_count(1)
    page.keyboard.press("Space")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#live-said")).to_have_text("Live")
    expect(page.locator("#request-rows tr")).to_have_count(4)
    expect(page.locator("#skipped")).to_be_hidden()
    assert page.evaluate("scrollY") == 0
    panel.leave(page)


def test_a_click_on_the_pill_does_the_same(echo: Any, panel: Watched) -> None:
    page = watched_log(panel)
    page.locator("#live").click()
    ask(echo, b"new")
    expect(page.locator("#live")).to_have_text("Paused - 1 new")
    expect(page.locator("#request-rows tr")).to_have_count(0)
    page.keyboard.press("Space")  # on the pill, which has the focus: once, not twice
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#request-rows tr")).to_have_count(1)
    panel.leave(page)


def test_a_search_counts_what_it_is_for(echo: Any, panel: Watched) -> None:
    page = watched_log(panel, "/requests?q=ping")
    page.keyboard.press("Space")
    for said in (b"ping", b"pong", b"pong", b"ping"):
        ask(echo, said)
    expect(page.locator("#live")).to_have_text("Paused - 2 new")
    page.keyboard.press("Space")
    expect(page.locator("#request-rows tr")).to_have_count(2)
    panel.leave(page)


def test_space_is_not_taken_from_what_is_typed_or_opened(echo: Any, panel: Watched) -> None:
    ask(echo, b"before")
    page = watched_log(panel)
    page.get_by_label("Search the log").focus()
    page.keyboard.type("no route")
    expect(page.get_by_label("Search the log")).to_have_value("no route")
    page.locator(".search-help summary").focus()
    page.keyboard.press("Space")
    expect(page.locator(".search-help dl")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Live")
    panel.leave(page)


def test_it_pauses_while_a_text_is_selected(
    app_process: RunningApp, echo: Any, panel: Watched
) -> None:
    ask(echo, b"select me")
    app_process.api.finished("echo", 1)
    page = watched_log(panel)
    page.locator("#request-rows .bytes").first.select_text()
    expect(page.locator("#live")).to_have_text("Paused")
    ask(echo, b"new")
    expect(page.locator("#live")).to_have_text("Paused - 1 new")
    assert page.evaluate("getSelection().toString()") == "select me"
    page.evaluate("getSelection().removeAllRanges()")
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#request-rows tr")).to_have_count(2)
    page.get_by_role("heading", level=1).select_text()
    expect(page.locator("#live")).to_have_text("Live")
    panel.leave(page)


def test_it_pauses_while_it_is_scrolled_and_the_way_back_is_the_top(
    app_process: RunningApp, sink: Any, panel: Watched
) -> None:
    with flood(sink, 0.05):
        pass
    stored(app_process)
    page = watched_log(panel)
    expect(page.locator("#request-rows tr")).to_have_count(50)
    page.mouse.wheel(0, 900)
    expect(page.locator("#live")).to_have_text("Paused")
    before = shown(page)
    with Client(sink) as client:
        client.send(b"new")
    expect(page.locator("#live")).to_have_text("Paused - 1 new")
    assert shown(page) == before
    page.keyboard.press("Space")
    expect(page.locator("#live")).to_have_text("Live")
    assert page.evaluate("scrollY") == 0
    assert shown(page)[1:] == before[:-1]
    page.mouse.wheel(0, 900)
    expect(page.locator("#live")).to_have_text("Paused")
    page.mouse.wheel(0, -900)
    expect(page.locator("#live")).to_have_text("Live")
    panel.leave(page)


def test_what_came_beside_the_list_is_told_and_can_be_read(
    app_process: RunningApp, sink: Any, panel: Watched
) -> None:
    with Client(sink) as client:
        client.send(b"the last one that is shown")
    stored(app_process)
    page = watched_log(panel)
    expect(page.locator("#request-rows tr")).to_have_count(1)
    page.keyboard.press("Space")
    with flood(sink, 0.1):
        pass
    total = stored(app_process)
    expect(page.locator("#live")).to_have_text(f"Paused - {total - 1} new")
    page.keyboard.press("Space")
    expect(page.locator("#request-rows tr")).to_have_count(50)
    assert (passed_over(page), accounted(page)) == (total - 51, total)
    page.locator("#skipped a").click()
    oldest = [f"request-{row['id']}" for row in reversed(app_process.api.requests(limit=51))]
    expect(page.locator("#request-rows tr")).to_have_count(50)
    assert set(shown(page)).isdisjoint(oldest[1:])
    assert page.locator("#request-rows tr").last.get_attribute("id") in {
        f"request-{row['id']}" for row in app_process.api.requests()[-2:]
    }
    panel.leave(page)


def test_it_says_how_far_the_log_is_behind(
    app_process: RunningApp, sink: Any, panel: Watched
) -> None:
    with Client(sink) as client:
        client.send(b"so that there is a day")
        stored(app_process)
        page = watched_log(panel)
        (day,) = (app_process.data_dir / "requests").glob("*.sqlite3")
        with closing(sqlite3.connect(day, isolation_level=None)) as somebody:
            somebody.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                client.send(b"waits to be written")
            expect(page.locator("#live")).to_have_text("Behind by 3", timeout=20_000)
            somebody.execute("ROLLBACK")
    expect(page.locator("#live")).to_have_text("Live", timeout=20_000)
    expect(page.locator("#request-rows tr")).to_have_count(4)
    panel.leave(page)


def test_a_stream_that_breaks_goes_on_and_tells_what_came_meanwhile(
    app_process: RunningApp, sink: Any, panel: Watched
) -> None:
    page = watched_log(panel)
    panel.context.set_offline(True)
    app_process.stop()
    expect(page.locator("#live")).to_have_text("Reconnecting")
    app_process.start()
    server = app_process.api.get("servers/sink")
    with Client(server) as client:
        for number in range(60):
            client.send(b"while it was away %d" % number)
    total = stored(app_process)
    panel.context.set_offline(False)
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#request-rows tr")).to_have_count(50)
    equal(lambda: accounted(page), total)
    panel.complaints.clear()  # of the connection that was refused
    panel.leave(page)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(3, id="3s"),
        pytest.param(20, id="20s", marks=[pytest.mark.torture, pytest.mark.timeout(180)]),
    ],
)
def test_it_stays_quick_under_a_flood_and_accounts_for_all_of_it(
    app_process: RunningApp, sink: Any, panel: Watched, seconds: int
) -> None:
    page = watched_log(panel)
    with flood(sink, seconds) as flooding:
        presses = 0
        while flooding.is_alive():
            presses += 1
            page.keyboard.press("Space" if presses % 40 == 0 else "Shift")
            assert len(shown(page)) <= 50
    if page.locator("#live").inner_text().startswith("Paused"):
        page.keyboard.press("Space")
    total = stored(app_process)
    assert total > seconds * FLOOD_PER_S / 10  # the kernel drops what a busy machine cannot take
    equal(lambda: accounted(page), total)
    delays: list[float] = page.evaluate("delays")
    assert len(delays) >= presses > seconds
    assert sum(delay <= QUICK_MS for delay in delays) >= 0.95 * len(delays), sorted(delays)[-20:]
    panel.leave(page)
