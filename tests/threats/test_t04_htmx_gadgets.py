"""T4: htmx acts on attributes, so what strangers sent must never be one; and if it were, nothing
would come of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, expect

from app.web.view import TEMPLATES
from tests.browser.conftest import Watched, chromium, log_in
from tests.clients import ask
from tests.conftest import LaunchApp
from tests.hostile import of
from tests.running import definition

#: What htmx 4 calls them. It has no switch against evaluating and against scripts in what it
#: puts in place: the content policy is that switch.
CONFIG = {"mode": "same-origin", "history": False, "includeIndicatorCSS": False}

#: Templates that show bytes, and the elements that hold them.
PANES = {
    "_request_row.html": r'<td class="c-preview mono" hx-ignore>',
    "_connections.html": r'<td class="c-last mono" hx-ignore>',
    "_request.html": r'<section class="panel" aria-labelledby="tape-title" hx-ignore>',
    "conversation.html": r'<section id="request-[^>]+ hx-ignore>',
}


def test_t04_htmx_is_told_to_do_no_more_than_we_need() -> None:
    base = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    found = re.search(r"<meta name=\"htmx-config\" content='([^']+)'>", base)
    assert found
    config = json.loads(found[1])
    assert {name: config.get(name) for name in CONFIG} == CONFIG


@pytest.mark.parametrize("name", PANES)
def test_t04_htmx_looks_for_nothing_in_payloads(name: str) -> None:
    assert re.search(PANES[name], (TEMPLATES / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.mark.browser
def test_t04_gadgets_do_nothing(launch: LaunchApp, browser: Browser) -> None:
    """Even if one were put into a page as it is, in the place where payloads stand."""
    app = launch().start()
    server = app.api.post("servers", definition(name="trap-tcp"))
    ask(server, b"hello")
    app.api.finished("trap-tcp", 1)
    with closing(browser.new_context()) as context:
        log_in(context, app.url, app.api.log_in())
        watched = Watched(context, app.url)
        page = watched.open("/servers/trap-tcp")
        expect(page.locator("#live")).to_have_text("Live")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        put = """([where, html]) => {
            const pane = document.querySelector(where);
            pane.innerHTML = html;
            htmx.process(pane);
        }"""
        for payload in of("htmx"):
            page.evaluate(put, ["#request-rows .c-preview", payload.text])
        page.wait_for_timeout(500)
        assert asked == []
        assert watched.complaints == []
        gadget = '<b hx-get="/servers?gadget" hx-trigger="load">x</b>'
        with page.expect_request("**/servers?gadget"):  # where it is not ignored it would act
            page.evaluate(put, ["#gap", gadget])
        page.evaluate(put, ["#gap", '<b hx-on::init="window.ran = 1">x</b>'])
        page.evaluate(put, ["#gap", "<b hx-get='//evil.invalid/' hx-trigger='load'>x</b>"])
        page.wait_for_timeout(300)
        assert page.evaluate("window.ran") is None
        assert not [url for url in asked if "evil.invalid" in url]
    assert app.api.get("servers/trap-tcp")["state"] == "running"
