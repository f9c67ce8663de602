from __future__ import annotations

import re
import socket
from dataclasses import asdict
from html import unescape

import pytest

from app.domain import Limits
from app.web.form_values import MAKE
from tests.app.web.conftest import Panel

FORM = {
    "name": "echo",
    "transport": "tcp",
    "concurrency": "pool",
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
    given = {"max_connections": 50, "idle_timeout_s": 2.5, "backlog": 64}
    assert server["limits"] == {**asdict(Limits()), **given}


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


def test_the_kind_isolation_and_limits_of_the_form_are_those_of_the_server(panel: Panel) -> None:
    chosen = {"concurrency": "event", "isolation": "process", "send_timeout_s": "1.5"}
    more = {"max_connections_per_address": "3", "max_threads": "8", "max_queue": "0"}
    assert panel.post("/new", **{**FORM, **chosen, **more}).status_code == 303
    server = panel.server("echo")
    assert (server["concurrency"], server["isolation"]) == ("event", "process")
    limits = server["limits"]
    assert (limits["send_timeout_s"], limits["max_threads"], limits["max_queue"]) == (1.5, 8, 0)
    assert limits["max_connections_per_address"] == 3


def test_a_form_that_says_thread_for_forking_means_its_process(panel: Panel) -> None:
    panel.post("/new", **{**FORM, "concurrency": "forking", "isolation": "thread"})
    assert panel.server("echo")["isolation"] == "process"


@pytest.mark.parametrize("transport", ["udp", "unix-datagram"])
def test_what_datagrams_do_not_have_is_told_or_left_out(panel: Panel, transport: str) -> None:
    form = {**FORM, "transport": transport, "socket_name": "e.sock"}
    answer = panel.post("/new", **{**form, "concurrency": "event"})
    assert answer.status_code == 422
    assert (
        "There is no"
        in (re.search(r'id="error-concurrency".*?</p>', answer.text, re.S) or [""])[0]
    )
    panel.post("/new", **{**form, "certificate": "of-no-use"})
    assert panel.server("echo")["tls"] is None


def test_the_form_makes_a_self_signed_certificate_with_the_server(panel: Panel) -> None:
    answer = panel.post("/new", **FORM, certificate=MAKE, start="on")
    assert answer.headers["Location"] == "/servers/echo"
    server = panel.server("echo")
    assert (server["state"], server["tls"]["certificate"]) == ("running", "echo")
    (made,) = panel.http.get("/api/v1/certificates").json()["items"]
    assert made["used_by"] == ["echo"]
    assert {"localhost", "127.0.0.1"} <= set(made["hosts"])
    html = panel.html("/servers/echo")
    assert "openssl s_client" in html


def test_a_certificate_of_a_form_that_is_refused_is_not_left_behind(panel: Panel) -> None:
    answer = panel.post("/new", **{**FORM, "port": "80", "name": "Bad Name"}, certificate=MAKE)
    assert answer.status_code == 422
    assert fault(answer.text, "port")
    assert fault(answer.text, "name")
    assert panel.http.get("/api/v1/certificates").json()["items"] == []
    selected = re.search(r'<option value="\+self-signed" selected>', answer.text)
    assert selected, "the choice stays"


def test_an_unknown_certificate_is_told_beside_the_choice(panel: Panel) -> None:
    answer = panel.post("/new", **FORM, certificate="gone")
    assert answer.status_code == 422
    assert "gone" in (fault(answer.text, "certificate") or "")


def test_what_is_kept_is_chosen_changed_at_once_and_told(panel: Panel) -> None:
    assert "Kept" not in panel.html(f"/servers/{panel.define('plain')['name']}")
    chosen = {"capture": "full", "capture_bytes": "1000"}
    mask = "text:a secret \r\n\r\nre:[0-9]{16}"
    assert panel.post("/new", **FORM, **chosen, mask=mask, start="on").status_code == 303
    before = panel.server("echo")
    kept = {"policy": "full", "bytes": 1000, "mask": ["text:a secret ", "re:[0-9]{16}"]}
    assert before["capture"] == kept
    html = panel.html("/servers/echo")
    assert "the first 1,000 bytes each way, 2 masks" in html
    assert "a secret" not in html
    form = fields(panel.html("/servers/echo/edit"))
    answer = panel.post("/servers/echo/edit", **{**form, "capture": "sizes", "mask": ""})
    assert answer.status_code == 303, fault(answer.text, "mask") or answer.text
    after = panel.server("echo")
    assert after["capture"] == {"policy": "sizes", "bytes": 1000, "mask": []}
    assert after["started_at"] == before["started_at"]
    assert "sizes only" in panel.html("/servers/echo")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("capture", "half", "There is no policy"),
        ("capture_bytes", "16777217", "from 0 to 16777216"),
        ("capture_bytes", "many", "whole number"),
        ("mask", "text:a\nre:(", "Mask 2"),
        ("mask", "secret", "begins neither with text: nor with re:"),
    ],
)
def test_what_is_kept_wrongly_is_told_beside_it(
    panel: Panel, field: str, value: str, told: str
) -> None:
    answer = panel.post("/new", **{**FORM, field: value})
    assert answer.status_code == 422
    assert told in (fault(answer.text, field) or "")
    if field != "capture":
        assert value in answer.text


def test_an_edit_of_nothing_changes_nothing(panel: Panel) -> None:
    panel.http.post("/api/v1/certificates/self-signed", json={"name": "c", "hosts": ["a"]})
    tls = {"certificate": "c", "client_ca": "c", "client_certificates": "optional"}
    limits = {"handshake_timeout_s": 0.5, "max_connections_per_address": 4}
    capture = {"policy": "preview", "bytes": 7, "mask": ["text:<b>", "re:&+"]}
    before = panel.define("one", isolation="process", tls=tls, limits=limits, capture=capture)
    form = panel.html("/servers/one/edit")
    answer = panel.post("/servers/one/edit", **fields(form))
    assert answer.headers["Location"] == "/servers/one"
    after = panel.server("one")
    assert after["started_at"] == before["started_at"]
    kept = ("tls", "limits", "isolation", "capture")
    assert {k: after[k] for k in kept} == {k: before[k] for k in kept}
    assert "<details open><summary>Client certificates" in form
    assert '<details class="advanced" open>' in form


def fields(html: str) -> dict[str, str]:
    """What a browser would send of a form."""
    found = dict(
        re.findall(r'<input class="control[^"]*" id="[^"]*" name="([^"]*)" value="([^"]*)"', html)
    )
    areas = re.findall(r'<textarea [^>]*name="([^"]*)"[^>]*>\n(.*?)</textarea>', html, re.S)
    found |= {name: unescape(text) for name, text in areas}
    found |= dict(re.findall(r'<input type="radio" name="(\w+)" value="([\w-]+)" checked', html))
    for name, options in re.findall(
        r'<select [^>]*name="([^"]*)"[^>]*>(.*?)</select>', html, re.S
    ):
        chosen = re.search(r'<option(?: value="([^"]*)")?[^>]* selected>([^<]*)', options)
        first = re.search(r'<option value="([^"]*)"', options)
        found[name] = _value(chosen) if chosen else (first[1] if first else "")
    return found


def _value(option: re.Match[str]) -> str:
    """Of an option that has none, its words."""
    return str(option[2] if option[1] is None else option[1])
