"""Getting in by the browser alone: the printed link, a login, a token that is shown once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.conftest import Watched
from tests.conftest import LaunchApp
from tests.running import PASSWORD, Api, RunningApp, definition
from tests.waiting import eventually

CHOSEN = "a password of ten and more"


@pytest.fixture
def fresh(launch: LaunchApp) -> RunningApp:
    """Nobody can log in to it yet."""
    return launch({"ADMIN_PASSWORD": "", "API_TOKEN": ""}).start()


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Watched]:
    """A browser that was never here: it opens whole addresses."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    watched = Watched(context, "")
    yield watched
    complaints = watched.all_complaints()
    context.close()
    assert complaints == []


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def menu(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="Main").get_by_role("link", name=name).click()


def link(app: RunningApp) -> str:
    """What was printed at the start."""
    eventually(lambda: "/setup?key=" in app.log)
    return str(re.findall(r"http://\S+/setup\?key=\S+", app.log)[-1])


def test_the_printed_link_leads_to_a_password_and_in(fresh: RunningApp, stranger: Watched) -> None:
    page = stranger.open(f"{fresh.url}/")
    expect(page.get_by_text("Nobody can log in yet.")).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    stranger.turn(page, link(fresh))
    expect(page.get_by_label("Name")).to_have_value("admin")
    expect(page.get_by_label("Password")).to_be_focused()
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(CHOSEN)
    page.get_by_label("The same again").fill("another one")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#error-again")).to_have_text("The two are not the same.")
    expect(page.get_by_label("Name")).to_have_value("ana")
    page.get_by_label("Password").fill(CHOSEN)
    page.get_by_label("The same again").fill(CHOSEN)
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1, name="Servers")).to_be_visible()
    expect(page.get_by_title("Your account")).to_contain_text("ana")
    stranger.turn(page, link(fresh))
    expect(page.get_by_text("there is somebody to log in as")).to_be_visible()


def test_a_wrong_password_then_the_right_one_then_out(
    app_process: RunningApp, stranger: Watched
) -> None:
    page = stranger.open(f"{app_process.url}/requests?q=hello")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to Sockpit")
    expect(page.get_by_label("Name")).to_be_focused()
    log_in(page, "admin", "not this one")
    expect(page.locator(".alarm")).to_contain_text("do not belong together")
    expect(page.get_by_label("Name")).to_have_value("admin")
    expect(page.get_by_label("Password")).to_have_value("")
    expect(page.get_by_label("Password")).to_be_focused()
    log_in(page, "admin", PASSWORD)
    expect(page).to_have_url(f"{app_process.url}/requests?q=hello")
    expect(page.get_by_label("Search the log")).to_have_value("hello")
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(f"{app_process.url}/login")
    assert stranger.context.cookies() == []
    stranger.turn(page, f"{app_process.url}/servers")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to Sockpit")


def test_a_token_is_shown_once(app_process: RunningApp, panel: Watched) -> None:
    page = panel.open("/servers")
    menu(page, "Tokens")
    page.get_by_label("What it is for").fill("the tests 温度")
    page.get_by_role("radio", name="operator").check()
    page.get_by_label("Good for how many days").fill("7")
    page.get_by_role("button", name="Make the token").click()
    secret = page.locator("#new-token").inner_text()
    program = Api(app_process.url, secret)
    me = program.get("me")
    assert (me["kind"], me["name"], me["role"]) == ("token", "the tests 温度", "operator")
    menu(page, "Tokens")
    expect(page.locator("table.tokens")).to_contain_text("the tests 温度")
    expect(page.get_by_text(secret)).to_have_count(0)
    page.get_by_role("link", name="Revoke the tests 温度").click()
    page.get_by_role("button", name="Revoke the tests 温度").click()
    expect(page.get_by_role("status").first).to_have_text(
        "The token the tests 温度 is good for nothing any more."
    )
    assert program.refused(401, "GET", "me")["code"] == "token_unknown"
    program.close()


def test_who_is_logged_out_elsewhere_is_led_to_the_login(
    app_process: RunningApp, panel: Watched
) -> None:
    page = panel.open("/account")
    expect(page.get_by_role("button", name="Log out").first).to_be_visible()
    (session,) = app_process.api.get("sessions")["items"]
    app_process.api.delete(f"sessions/{session['id']}")
    menu(page, "Audit")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to Sockpit")
    log_in(page, "admin", PASSWORD)
    expect(page).to_have_url(f"{app_process.url}/audit")
    expect(page.locator("table.audit")).to_contain_text("session.end")


def test_a_link_to_a_server_does_not_leave_the_session_in_the_log(
    app_process: RunningApp, panel: Watched
) -> None:
    server = app_process.api.post("servers", definition(name="lure"))
    page = panel.context.new_page()
    with suppress(Error):  # an echo is no answer of HTTP
        page.goto(f"http://127.0.0.1:{server['server_address'][1]}/")
    page.close()
    eventually(lambda: app_process.api.requests("lure"))
    row = app_process.api.requests("lure")[-1]
    received = app_process.api.call("GET", f"requests/{row['id']}/received").content
    assert re.search(rb"Cookie: .*sockpit-session=\*{43}\r\n", received), received
