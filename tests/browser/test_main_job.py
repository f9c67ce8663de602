"""The main job by the browser alone: define, start, talk, see, disconnect, stop, delete."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.clients import STREAMS, TRANSPORTS, Client, clients, refuses
from tests.running import RunningApp, definition
from tests.waiting import eventually


def create(page: Page, name: str, transport: str, handler: str = "echo") -> None:
    """Fill the form and send it."""
    page.get_by_role("link", name="New server").first.click()
    page.get_by_label("Name", exact=True).fill(name)
    page.locator(f"input[name=transport][value={transport}]").check(force=True)
    page.get_by_label("Handler").select_option(handler)
    if transport.startswith("unix"):
        page.get_by_label("Socket name").fill(f"{name}.sock")
    page.get_by_role("button", name="Create server").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def state(page: Page, word: str) -> None:
    expect(page.locator("#server-head .state")).to_have_text(word)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_define_start_talk_see_disconnect_stop_delete(
    panel: Watched, app_process: RunningApp, transport: str, folder: Path
) -> None:
    api = app_process.api
    page = panel.open("/servers")
    create(page, "lab", transport)
    state(page, "running")
    server = api.get("servers/lab")
    rows = page.locator("#connection-rows tr")
    with clients(server, 3, folder, hello=True) as connected:
        expect(rows).to_have_count(3)
        for client, row in zip(connected, rows.all(), strict=True):
            expect(row.locator(".c-peer")).to_contain_text(client.peer)
        rows.first.get_by_role("button", name=re.compile("Disconnect")).click()
        expect(rows).to_have_count(2)
        if transport in STREAMS:
            assert connected[0].sees_the_end(1.0)
            expect(page.locator("#request-rows")).to_contain_text("disconnected")
        page.get_by_role("button", name="Stop").click()
        state(page, "stopped")
        expect(rows).to_have_count(0)
        assert refuses(server, folder)
    page.get_by_role("button", name="Start").click()
    state(page, "running")
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Delete lab").click()
    expect(page.locator("#server-lab")).to_have_count(0)
    assert api.get("servers")["items"] == []


def test_what_others_do_shows_without_reload(panel: Watched, app_process: RunningApp) -> None:
    api = app_process.api
    page = panel.open("/servers")
    log = panel.open("/requests")
    api.post("servers", definition(name="elsewhere", handler="clock", wanted="stopped"))
    row = page.locator("#server-elsewhere")
    expect(row.locator(".state")).to_have_text("stopped")
    server = api.post("servers/elsewhere/start")
    expect(row.locator(".state")).to_have_text("running")
    with Client(server) as client:
        expect(row.locator(".c-connections")).to_contain_text("1 / ")
        client.send(b"hello\r\n")
        assert client.sock.recv(100).endswith(b"hello\n")
        expect(row.locator(".c-requests")).to_contain_text("1")
        expect(row.locator(".c-bytes")).to_contain_text("7 B in")
        expect(log.locator("#request-rows")).to_contain_text("hello")
        expect(log.locator("#request-rows .state")).to_have_text("open")
    expect(row.locator(".c-connections")).to_contain_text("0 / ")
    expect(log.locator("#request-rows .state")).to_have_text("ok")
    api.delete("servers/elsewhere")
    expect(row).to_have_count(0)


def test_an_open_request_shows_its_bytes_as_they_cross(
    panel: Watched, app_process: RunningApp
) -> None:
    server = app_process.api.post("servers", definition(name="talk"))
    with Client(server) as client:
        client.ask(b"first")
        row = eventually(lambda: app_process.api.requests("talk"))[0]
        page = panel.open(f"/requests/{row['id']}")
        tape = page.locator("#request .tape")
        expect(tape).to_contain_text("first")
        client.ask(b"second")
        expect(tape).to_contain_text("second")
    expect(page.locator("#request .head .state")).to_have_text("ok")


def test_a_failed_start_says_why_in_its_row_and_retries(
    panel: Watched, app_process: RunningApp
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        address = {"host": "127.0.0.1", "port": port}
        body = definition(name="late", address=address, wanted="stopped")
        app_process.api.post("servers", body)
        page = panel.open("/servers")
        row = page.locator("#server-late")
        row.get_by_role("button", name="Start").click()
        expect(row.locator(".state")).to_have_text("failed")
        expect(row).to_contain_text(f"127.0.0.1:{port} (tcp) is in use already")
    row.get_by_role("button", name="Retry").click()
    expect(row.locator(".state")).to_have_text("running")


def test_wrong_fields_are_told_beside_themselves_and_nothing_typed_is_lost(
    panel: Watched, app_process: RunningApp
) -> None:
    page = panel.open("/new")
    page.get_by_label("Name", exact=True).fill("Not A Name")
    page.get_by_label("Port").fill("80")
    page.get_by_role("button", name="Create server").click()
    expect(page.locator("#error-name")).to_be_visible()
    expect(page.locator("#error-port")).to_contain_text("80")
    name = page.get_by_label("Name", exact=True)
    expect(name).to_have_value("Not A Name")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_be_focused()
    assert app_process.api.get("servers")["items"] == []
