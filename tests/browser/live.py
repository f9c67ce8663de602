"""What the tests of the live log share: watching its page, and more requests than it can show."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.clients import Client
from tests.running import RunningApp
from tests.waiting import eventually

#: Notes every row that was ever on the page, and how late it heard of each key that was pressed.
OBSERVE = """
window.seen = new Set();
window.delays = [];
const rows = () => document.querySelectorAll("#request-rows tr");
const note = () => rows().forEach((row) => seen.add(row.id));
document.addEventListener("htmx:after:swap", note);
document.addEventListener("keydown", (event) => delays.push(performance.now() - event.timeStamp));
note();
"""

FLOOD_PER_S = 2_000


def watched_log(panel: Watched, path: str = "/requests") -> Page:
    page = panel.open(path)
    expect(page.locator("#live")).to_have_text("Live")
    page.evaluate(OBSERVE)
    return page


def shown(page: Page) -> list[str]:
    ids: list[str] = page.eval_on_selector_all("#request-rows tr", "rows => rows.map(r => r.id)")
    return ids


def passed_over(page: Page) -> int:
    """How many requests the page says it never showed."""
    if page.locator("#skipped").is_hidden():
        return 0
    found = re.match(r"([\d,]+) requests? went by", page.locator("#skipped").inner_text())
    assert found, page.locator("#skipped").inner_text()
    return int(found[1].replace(",", ""))


def accounted(page: Page) -> int:
    seen: int = page.evaluate("seen.size")
    return seen + passed_over(page)


@contextmanager
def flood(server: Any, seconds: float) -> Iterator[threading.Thread]:
    """FLOOD_PER_S datagrams a second, for so long."""

    def send() -> None:
        with Client(server) as client:
            began = time.monotonic()
            for number in range(int(seconds * FLOOD_PER_S)):
                if (early := began + number / FLOOD_PER_S - time.monotonic()) > 0:
                    time.sleep(early)
                client.send(b"reading %d of a flood" % number)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def stored(app: RunningApp) -> int:
    """How many requests are in the log, once no more come."""
    looks: list[int] = []

    def condition() -> int:
        stats = app.api.get("log/stats")
        assert stats["pending"] == 0
        looks.append(int(stats["stored"]))
        assert looks[-20:] == [looks[-1]] * 20, "more come"
        return looks[-1] + 1

    return eventually(condition) - 1
