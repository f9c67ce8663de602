from __future__ import annotations

import re
import socket

from tests.app.web.conftest import Panel, until


def test_a_plain_button_does_it_and_goes_back(panel: Panel) -> None:
    panel.define("echo", running=False)
    answer = panel.post("/servers/echo/start", back="/servers")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers")
    assert panel.server("echo")["state"] == "running"
    answer = panel.post("/servers/echo/stop", back="https://evil.example")
    assert answer.headers["Location"] == "/servers/echo"
    assert panel.server("echo")["state"] == "stopped"


def test_htmx_gets_the_regions_that_the_page_has(panel: Panel) -> None:
    panel.define("echo", running=False)
    answer = panel.hx("/servers/echo/start", back="/servers")
    page = panel.html("/servers")
    partials = re.findall(
        r'<hx-partial hx-target="#([\w-]+)"[^>]*>(.*?)</hx-partial>', answer.text, re.S
    )
    assert {"servers", "totals", "alarms", "nav-count"} <= {target for target, _ in partials}
    for target, html in partials:
        assert f'id="{target}"' in page
        assert html in page, f"#{target} is not as the page has it"


def test_a_server_page_gets_its_own_regions(panel: Panel) -> None:
    panel.define("echo")
    answer = panel.hx("/servers/echo/restart", back="/servers/echo")
    targets = set(re.findall(r'hx-target="#([\w-]+)"', answer.text))
    assert {"server-head", "server-actions", "server-facts", "connections", "requests"} <= targets


def test_a_refusal_stands_in_its_row_with_its_status(panel: Panel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        panel.define("echo", running=False, address={"host": "127.0.0.1", "port": port})
        for post in (panel.hx, panel.post):
            answer = post("/servers/echo/start", back="/servers")
            assert answer.status_code == 409
            row = re.search(
                r'<tr id="server-echo" data-state="failed">.*?</tr>', answer.text, re.S
            )
            assert row
            assert str(port) in row.group()
            assert "Retry" in row.group()
    assert panel.post("/servers/echo/start", back="/servers").status_code == 303


def test_a_client_is_disconnected_by_its_button(panel: Panel) -> None:
    address = tuple(panel.define("echo")["server_address"])
    with socket.create_connection(address) as client:
        client.settimeout(10)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
        action = re.search(
            r'action="(/servers/echo/connections/\d+/disconnect)"', panel.html("/servers/echo")
        )
        assert action
        assert "68 65 6C 6C 6F" in panel.html("/servers/echo")
        answer = panel.post(action.group(1))
        assert (answer.status_code, answer.headers["Location"]) == (
            303,
            "/servers/echo#connections",
        )
        assert client.recv(1) == b""
    until(lambda: "the panel" in panel.html("/requests?server=echo"))
    for post in (panel.hx, panel.post):
        again = post(action.group(1))
        assert again.status_code == 404
        assert "may have ended by itself" in again.text
        assert "connections" in again.text
