from __future__ import annotations

import re
import socket

import pytest

from tests.app.web.conftest import Panel

FORM = {
    "name": "echo",
    "transport": "tcp",
    "concurrency": "threading",
    "handler": "echo",
    "host": "127.0.0.1",
    "port": "0",
    "max_connections": "50",
    "idle_timeout_s": "2.5",
    "backlog": "64",
}


def fault(html: str, field: str) -> str | None:
    """The sentence beside a field, once the field also points to it."""
    sentence = re.search(rf'id="error-{re.escape(field)}".*?<span>(.*?)</span>', html, re.S)
    if sentence:
        assert re.search(rf'aria-describedby="[^"]*error-{re.escape(field)}', html)
    return sentence.group(1) if sentence else None


def test_a_form_defines_and_starts_a_server(panel: Panel) -> None:
    answer = panel.post("/new", **FORM, start="on")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers/echo")
    server = panel.server("echo")
    assert server["state"] == "running"
    assert server["limits"] == {"max_connections": 50, "idle_timeout_s": 2.5, "backlog": 64}


def test_start_now_unticked_only_defines_it(panel: Panel) -> None:
    panel.post("/new", **{**FORM, "transport": "unix", "socket_name": "e.sock"})
    assert panel.server("echo")["state"] == "stopped"


def test_every_wrong_field_is_told_beside_it_and_what_was_typed_stays(panel: Panel) -> None:
    wrong = {**FORM, "name": "Bad Name", "port": "80x", "backlog": "0", "handler": "nope"}
    answer = panel.post("/new", **wrong, start="on")
    assert answer.status_code == 422
    for field in ("name", "port", "backlog", "handler"):
        assert fault(answer.text, field), field
    assert fault(answer.text, "host") is None
    assert 'value="Bad Name"' in answer.text
    assert 'value="80x"' in answer.text
    assert answer.text.count("autofocus") == 1
    assert "<title>Not saved: New server" in answer.text
    assert panel.http.get("/api/v1/servers").json()["items"] == []


def test_a_port_in_use_is_told_beside_the_port(panel: Panel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = panel.post("/new", **{**FORM, "port": port}, start="on")
    assert answer.status_code == 409
    assert port in (fault(answer.text, "port") or "")


def test_a_host_that_is_not_allowed_is_told_beside_the_host(panel: Panel) -> None:
    answer = panel.post("/new", **{**FORM, "host": "192.0.2.1"}, start="on")
    assert answer.status_code in (403, 422)
    assert fault(answer.text, "host")


@pytest.mark.parametrize("option", ["option.greeter.py:Greeter.times", "option.times"])
def test_options_are_given_in_their_types(panel: Panel, option: str) -> None:
    panel.post("/new", **{**FORM, "handler": "greeter.py:Greeter", option: "3"})
    assert panel.server("echo")["handler_options"] == {"times": 3}


def test_a_wrong_option_is_told_beside_it(panel: Panel) -> None:
    option = "option.greeter.py:Greeter.times"
    answer = panel.post("/new", **{**FORM, "handler": "greeter.py:Greeter", option: "often"})
    assert answer.status_code == 422
    assert "whole number" in (fault(answer.text, option) or "")


def test_options_of_a_handler_not_chosen_do_not_count(panel: Panel) -> None:
    panel.post("/new", **{**FORM, "option.greeter.py:Greeter.times": "3"})
    assert panel.server("echo")["handler_options"] == {}


def test_an_edit_form_shows_what_is_and_changes_nothing_by_itself(panel: Panel) -> None:
    before = panel.define("echo", limits={"max_connections": 9})
    assert 'value="9"' in panel.html("/servers/echo/edit")
    port = str(before["address"]["port"])
    answer = panel.post("/servers/echo/edit", **{**FORM, "port": port, **_limits(before)})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/servers/echo")
    after = panel.server("echo")
    assert (after["started_at"], after["limits"]) == (before["started_at"], before["limits"])


def test_what_needs_a_stop_is_refused_with_the_way_out(panel: Panel) -> None:
    before = panel.define("echo")
    changed = {**FORM, "handler": "discard", **_limits(before)}
    answer = panel.post("/servers/echo/edit", **changed)
    assert answer.status_code == 409
    assert "Save and restart" in answer.text
    assert panel.server("echo")["handler"] == "echo"


def test_save_and_restart_takes_the_way_out(panel: Panel) -> None:
    before = panel.define("echo")
    changed = {**FORM, "handler": "discard", **_limits(before)}
    assert panel.post("/servers/echo/edit", **changed, restart="1").status_code == 303
    after = panel.server("echo")
    assert (after["handler"], after["state"]) == ("discard", "running")
    assert "echo was saved" in panel.html("/servers/echo")


def test_a_refused_save_and_restart_leaves_it_running_as_it_was(panel: Panel) -> None:
    before = panel.define("echo")
    changed = {**FORM, "handler": "discard", **_limits(before), "port": "99999"}
    assert panel.post("/servers/echo/edit", **changed, restart="1").status_code == 422
    after = panel.server("echo")
    assert (after["handler"], after["state"]) == ("echo", "running")


def _limits(server: dict[str, dict[str, float]]) -> dict[str, str]:
    return {name: str(value) for name, value in server["limits"].items()}
