"""How long it takes from a client's last byte to its row: in a real browser, and in the events.

The app serves `RATE` requests a second, each of which says its number; who sees it first notes the
time, by the same clock of the same machine. The page shows the newest rows, four times a second:
those that others have pushed off it before are never in it, so it is of those that are.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.log.app import App
from bench.log.figure import Figure, percentile
from bench.log.load import Said, loaded
from bench.log.serving import on_the_last_core

if TYPE_CHECKING:
    from playwright.sync_api import Page

RATE = 1_000
SECONDS = 20.0
MOST_MS = 400.0

#: At this rate every row is on the page.
CALM_RATE = 40

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

_NUMBER = re.compile(rb"live-(\d{26})")

#: Notes when each number is first in the page.
_WATCH = """
window.seen = {};
new MutationObserver((changes) => {
  const now = Date.now();
  const look = (text) => {
    for (const found of (text || "").matchAll(/live-(\\d{26})/g)) window.seen[+found[1]] ??= now;
  };
  for (const change of changes) {
    if (change.type === "characterData") look(change.target.textContent);
    for (const node of change.addedNodes) look(node.textContent);
  }
}).observe(document, { subtree: true, childList: true, characterData: true });
"""

Seen = dict[int, float]  # number -> Unix seconds


def lived(folder: Path, rate: int = RATE, seconds: float = SECONDS) -> Iterator[Figure]:
    """`folder` becomes the data directory of an app."""
    with on_the_last_core(), closing(App(folder)) as app:
        port = app.echo()
        with _in_events(app) as seen:
            said = _load(port, rate, seconds)
        yield _figure(f"row in the events at {rate:,}/s, p95", said, seen)
        yield _share(f"rows in the events at {rate:,}/s", said, seen)
        for rate_, most in ((rate, MOST_MS), (min(rate, CALM_RATE), None)):
            work = f"row in the browser at {rate_:,}/s, p95"
            try:
                with _in_browser(app) as page:
                    said = _load(port, rate_, seconds)
                    found = page.evaluate("window.seen")
            except ImportError:
                yield Figure(work, 0.0, "ms", most=most, missing="Playwright is not installed")
                return
            seen = {int(number): at_ms / 1e3 for number, at_ms in found.items()}
            yield _figure(work, said, seen, most)
            yield _share(f"rows in the browser at {rate_:,}/s", said, seen)


def _load(port: int, rate: int, seconds: float) -> Said:
    with loaded(port, rate, seconds) as load:
        time.sleep(seconds)
        said = load.said()
        time.sleep(1)  # the last rows come
        return said


def _figure(work: str, said: Said, seen: Seen, most: float | None = None) -> Figure:
    """Without the first quarter, in which it warms up."""
    first = len(said.at) // 4
    lags = [at - said.at[number] for number, at in seen.items() if number >= first]
    if not lags:
        raise RuntimeError(f"{work}: none was seen")
    return Figure(work, percentile(lags, 95) * 1e3, "ms", most=most)


def _share(work: str, said: Said, seen: Seen) -> Figure:
    return Figure(work, 100 * len(seen) / len(said.at), "%")


@contextmanager
def _in_events(app: App) -> Iterator[Seen]:
    """Who reads GET /api/v1/events while the body runs."""
    seen: Seen = {}
    stream = app.ask("events", timeout_s=30)
    thread = threading.Thread(target=_read, args=(stream, seen), name="events", daemon=True)
    thread.start()
    yield seen
    # The thread ends with the stream, when the app does.


def _read(stream: object, seen: Seen) -> None:
    rest = b""
    while part := stream.read1(1 << 16):  # type: ignore[attr-defined]
        now = time.time()
        for found in _NUMBER.finditer(rest + part):
            seen.setdefault(int(found[1]), now)
        rest = part[-32:]


@contextmanager
def _in_browser(app: App) -> Iterator[Page]:
    """The log's page, live. Raises: ImportError."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        name, value = app.log_in()
        page = browser.new_page()
        page.context.add_cookies([{"name": name, "value": value, "url": app.url}])
        page.goto(f"{app.url}/requests")
        page.get_by_text("Live", exact=True).first.wait_for()
        page.evaluate(_WATCH)
        yield page
        browser.close()
