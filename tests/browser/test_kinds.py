"""Every kind, isolation and TLS, chosen in the form of a real browser."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.services.kinds import KINDS
from tests.browser.conftest import SCREENSHOTS, Watched
from tests.browser.test_pages import THEMES, WIDTHS
from tests.certificates import Certificates
from tests.clients import STREAMS, Client
from tests.running import RunningApp, definition
from tests.waiting import DEADLINE_S


def choose(page: Page, field: str, value: str) -> None:
    """One of several buttons, as a person does: the words are clicked, not the hidden input."""
    page.locator(f"label:has(input[name={field}][value={value}])").click()


def shown_sentence(page: Page) -> str:
    return page.locator(".kind-note:visible").inner_text()


def pictures(page: Page, name: str) -> None:
    """In three widths and both themes; none of them scrolls sideways."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        page.evaluate("window.scrollTo(0, 0)")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            path = SCREENSHOTS / f"{name}-{theme}-{width}.png"
            page.screenshot(path=path, full_page=True)


@pytest.mark.timeout(300)
def test_each_kind_is_chosen_with_its_sentence_and_runs(
    panel: Watched, app_process: RunningApp, folder: Path
) -> None:
    for number, kind in enumerate(KINDS):
        page = panel.open("/new")
        page.get_by_label("Name", exact=True).fill(f"k{number}")
        choose(page, "transport", kind.transport)
        choose(page, "concurrency", kind.concurrency)
        assert shown_sentence(page) == kind.sentence
        page.get_by_label("Handler").select_option("echo")
        if kind.transport.startswith("unix"):
            page.get_by_label("Socket name").fill(f"k{number}.sock")
        forking = kind.concurrency == "forking"
        expect(page.locator(".isolation")).to_be_visible(visible=not forking)
        expect(page.locator(".forks")).to_be_visible(visible=forking)
        expect(page.get_by_label("TLS certificate")).to_be_visible(
            visible=kind.transport in STREAMS
        )
        page.get_by_role("button", name="Create server").click()
        expect(page.locator("#server-head .state")).to_have_text("running")
        expect(page.locator("#server-facts")).to_contain_text(
            f"{kind.transport} · {kind.concurrency}"
        )
        server = app_process.api.get(f"servers/k{number}")
        assert server["isolation"] == ("process" if forking else "thread")
        with Client(server, folder) as client:
            assert client.ask(b"hello") == b"hello"
        app_process.api.delete(f"servers/k{number}")
        panel.leave(page)


def test_datagrams_leave_no_choice_of_events(panel: Watched) -> None:
    page = panel.open("/new")
    choose(page, "concurrency", "event")
    choose(page, "transport", "udp")
    expect(page.locator("label:has(input[value=event])")).to_be_hidden()
    expect(page.locator("input[name=concurrency][value=pool]")).to_be_checked()
    choose(page, "transport", "tcp")
    expect(page.locator("label:has(input[value=event])")).to_be_visible()


def test_a_process_of_its_own_shows_its_death_and_its_return(
    panel: Watched, app_process: RunningApp
) -> None:
    page = panel.open("/new")
    page.get_by_label("Name", exact=True).fill("apart")
    choose(page, "isolation", "process")
    expect(page.locator("[data-isolation=process]")).to_be_visible()
    page.get_by_label("Handler").select_option("echo")
    page.get_by_role("button", name="Create server").click()
    state = page.locator("#server-head .state")
    expect(state).to_have_text("running")
    pid = app_process.api.get("servers/apart")["pid"]
    facts = page.locator("#server-facts")
    expect(facts).to_contain_text(f"{pid} its own")
    # Away for longer than the page's own rhythm: both of its states are seen.
    for _ in range(3):
        os.kill(app_process.api.get("servers/apart")["pid"], signal.SIGKILL)
        expect(state).to_have_text("failed")
        expect(facts).to_contain_text("SIGKILL")
        expect(facts).to_contain_text("started again in")
        expect(state).to_have_text("running", timeout=DEADLINE_S * 1000)
        expect(facts.locator(".alarm")).to_have_count(0)


def talk(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S)
    client = context.wrap_socket(plain, server_hostname="localhost")
    client.sendall(b"hello\n")
    assert client.recv(100) == b"hello\n"
    return client


def test_tls_is_chosen_and_its_clients_are_shown(
    panel: Watched, app_process: RunningApp, certificates: Certificates
) -> None:
    page = panel.open("/certificates")
    store = page.locator("form[action='/certificates']")
    store.get_by_label("Name").fill("own")
    pair = certificates.server
    text = "".join(p.read_text(encoding="ascii") for p in (pair.private_key, pair.certificate))
    store.get_by_label("Private key and certificate, PEM").fill(text)
    store.get_by_role("button", name="Store it").click()
    expect(page.locator("#certificate-own")).to_contain_text("CN=localhost")
    store.get_by_label("Name").fill("ca")
    store.get_by_label("or a file").set_input_files(str(certificates.ca.certificate))
    store.get_by_role("button", name="Store it").click()
    expect(page.locator("#certificate-ca")).to_contain_text("client CA only")

    page.goto(app_process.url + "/new")
    page.get_by_label("Name", exact=True).fill("secure")
    page.get_by_label("Handler").select_option("echo")
    page.get_by_label("TLS certificate").select_option("own")
    page.get_by_text("Client certificates", exact=True).click()
    page.get_by_label("A client shows one").select_option("required")
    page.get_by_label("Checked with the CA").select_option("ca")
    page.get_by_text("Advanced limits").click()
    page.get_by_label("TLS handshake").fill("2.5")
    pictures(page, "new-tls")
    page.get_by_role("button", name="Create server").click()
    expect(page.locator("#server-head .state")).to_have_text("running")
    server = app_process.api.get("servers/secure")
    assert server["limits"]["handshake_timeout_s"] == 2.5
    with talk(server["server_address"][1], certificates.trusting(certificates.client)):
        row = page.locator("#connection-rows tr")
        expect(row).to_have_count(1)
        expect(row.locator(".c-peer")).to_contain_text("TLSv1.3")
        expect(row.locator(".certificate")).to_contain_text("CN=device 7")
        expect(page.locator("#live")).to_have_text("Live")
        pictures(page, "server-tls")

    page.goto(app_process.url + "/certificates")
    expect(page.locator("#certificate-own")).to_contain_text("secure")
    pictures(page, "certificates")


def test_a_self_signed_certificate_is_made_with_the_server(
    panel: Watched, app_process: RunningApp
) -> None:
    page = panel.open("/new")
    page.get_by_label("Name", exact=True).fill("quick")
    page.get_by_label("Handler").select_option("echo")
    page.get_by_label("TLS certificate").select_option(
        label="make a self-signed one for this server"
    )
    page.get_by_role("button", name="Create server").click()
    expect(page.locator("#server-head .state")).to_have_text("running")
    expect(page.locator("#server-facts")).to_contain_text("openssl s_client")
    port = app_process.api.get("servers/quick")["server_address"][1]
    context = ssl.create_default_context(cadata=ssl.get_server_certificate(("127.0.0.1", port)))
    talk(port, context).close()
    page.goto(app_process.url + "/certificates")
    page.locator("#certificate-quick").get_by_role("link", name="quick").click()
    expect(page.get_by_role("heading", level=1, name="quick")).to_be_visible()
    app_process.api.delete("servers/quick")
    page.goto(app_process.url + "/certificates")
    page.get_by_role("link", name="Delete quick").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Delete quick?")
    pictures(page, "certificate-delete")
    page.get_by_role("button", name="Delete quick").click()
    expect(page.locator("#certificate-quick")).to_have_count(0)
    expect(page.get_by_role("status").first).to_contain_text(re.compile("quick and its key"))


def test_the_list_says_what_is_special_of_each(panel: Watched, app_process: RunningApp) -> None:
    api = app_process.api
    api.post("certificates/self-signed", {"name": "lab", "hosts": ["localhost"]})
    api.post("servers", definition(name="plain"))
    both = definition(name="special", isolation="process", tls={"certificate": "lab"})
    api.post("servers", both)
    api.post("servers", definition("udp", name="forks", concurrency="forking"))
    page = panel.open("/servers")
    expect(page.locator("#server-special .c-kind")).to_contain_text("TLS · own process")
    expect(page.locator("#server-plain .c-kind")).to_have_text("tcp · pool")
    pictures(page, "servers-kinds")
    form = panel.open("/servers/special/edit")
    form.get_by_text("Advanced limits").click()
    pictures(form, "edit-special")
