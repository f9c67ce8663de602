"""A real Chromium on a real instance; what the page complains of fails the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.running import SESSION_COOKIE, RunningApp

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
SCREENSHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"

#: Collects, from before the first script, what the page must never do.
WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


# For this package only: while it is open, its event loop counts as running in the main thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@contextmanager
def chromium() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.fail(f"{CHROMIUM} is not there: run these tests by `make test`, which installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()


def log_in(context: BrowserContext, url: str, secret: str) -> None:
    """Be logged in, by the secret of a session."""
    context.add_cookies(
        [
            {
                "name": SESSION_COOKIE,
                "value": secret,
                "url": url,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )


class Watched:
    """A browser context whose pages are watched for complaints."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.context = context
        self.complaints: list[str] = []
        self._url = url
        context.add_init_script(WATCH)

    def open(self, path: str) -> Page:
        page = self.context.new_page()
        page.on("console", lambda m: self._hear(m.type, m.text))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.goto(self._url + path)
        return page

    def _hear(self, kind: str, text: str) -> None:
        # A refused form is answered 4xx, which Chromium tells as a console error.
        if kind in ("error", "warning") and "status of 4" not in text:
            self.complaints.append(f"{kind}: {text}")

    def turn(self, page: Page, path: str) -> None:
        """The next page in the same tab."""
        self.complaints += page.evaluate("window.violations")
        page.goto(self._url + path)

    def leave(self, page: Page) -> None:
        """Close it: a browser keeps but six streams open to one host."""
        self.complaints += page.evaluate("window.violations")
        page.close()

    def all_complaints(self) -> list[str]:
        for page in self.context.pages:
            self.complaints += page.evaluate("window.violations")
        return self.complaints


@pytest.fixture
def panel(browser: Browser, app_process: RunningApp) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    watched = Watched(context, app_process.url)
    log_in(context, app_process.url, app_process.api.log_in())
    yield watched
    complaints = watched.all_complaints()
    context.close()
    assert complaints == []
