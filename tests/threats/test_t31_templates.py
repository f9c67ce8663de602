"""T31: what somebody types is never a template: it is sent and shown as it stands."""

from __future__ import annotations

import ast

import pytest

from tests.clients import Client
from tests.conftest import LaunchApp
from tests.hostile import of
from tests.running import ROOT, definition, offer

TEMPLATES = of("template")

GREETER = (ROOT / "handlers" / "greeter.py").read_text(encoding="utf-8")


def test_t31_text_of_an_option_is_sent_literally(launch: LaunchApp) -> None:
    app = launch().start()
    greeter = offer(app, "greeter.py", GREETER)
    for payload in TEMPLATES:
        options = {"banner": payload.text}
        server = app.api.post("servers", definition(handler=greeter, handler_options=options))
        with Client(server) as client:
            assert client.receive(len(payload.data)) == payload.data
        stored = app.api.get(f"servers/{server['name']}")
        assert stored["handler_options"]["banner"] == payload.text
        app.api.done("DELETE", f"servers/{server['name']}")


def test_t31_text_in_names_and_refusals_is_shown_literally(launch: LaunchApp) -> None:
    app = launch().start()
    for payload in TEMPLATES:
        if len(payload.text) > 100:
            continue
        app.api.post("tokens", {"name": payload.text, "role": "viewer"})
        names = [token["name"] for token in app.api.get("tokens")["items"]]
        assert payload.text in names
        for path, params in (("/tokens", {}), ("/audit", {}), ("/requests", {"q": payload.text})):
            page = app.api.pages.get(path, params=params).text
            assert "<class" not in page
            assert "&lt;class" not in page
            assert "Undefined" not in page
        problem = app.api.refused(422, "POST", "servers", json={"name": payload.text})
        assert "<class" not in problem["detail"]
        flash = {"cookie": f"{_cookie(app.api.pages)}; sockpit-flash=deleted.{{0.__class__}}"}
        assert "{0.__class__} was deleted" in app.api.pages.get("/servers", headers=flash).text
    page = app.api.pages.get("/tokens").text
    assert "{{7*7}}" in page
    assert "{0.__class__}" in page
    assert "%s%d%n%(message)s%x" in page


def _cookie(client: object) -> str:
    cookies = getattr(client, "cookies", {})
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


@pytest.mark.parametrize("folder", ["app", "handlers"])
def test_t31_no_template_is_made_of_text(folder: str) -> None:
    """Templates are files of ours: none is compiled from a string, and no string from elsewhere
    is formatted."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _makes_a_template(node):
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def _makes_a_template(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in ("eval", "exec", "compile", "Template")
    name = getattr(call.func, "attr", "")
    return name in ("from_string", "Template", "format_map", "vformat")
