"""The rules that keep the templates safe under a strict content policy, and right for htmx 4."""

from __future__ import annotations

import re

import pytest

from app.web.view import TEMPLATES, environment, render

FORBIDDEN = {
    "an inline script": r"<script(?![^>]*\bsrc=)",
    "an inline style": r"<style|\sstyle=",
    "an inline handler": r"\son[a-z]+=",
    "hx-on, which evaluates": r"hx-on",
    "a js: value, which evaluates": r"[\"'](?:js|javascript):",
    "an event filter, which evaluates": r"hx-trigger=\"[^\"]*\[",
    "unescaped output": r"\|\s*safe\b|autoescape|Markup",
    "htmx 2: sse-swap": r"sse-swap",
    "htmx 2: hx-ext": r"hx-ext\b",
    "htmx 2: hx-disabled-elt": r"hx-disabled-elt",
    "an address of elsewhere": r"(?:src|href)=\"(?:https?:)?//",
}
NAMES = sorted(path.name for path in TEMPLATES.iterdir())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_a_template_has_nothing_forbidden(name: str, what: str) -> None:
    found = re.search(FORBIDDEN[what], (TEMPLATES / name).read_text(encoding="utf-8"), re.I)
    assert found is None, f"{name} has {what}: {found.group() if found else ''}"


@pytest.mark.parametrize("name", NAMES)
def test_a_template_compiles(name: str) -> None:
    environment.get_template(name)


def test_text_is_escaped_in_every_template() -> None:
    assert render("_notice.html", text="<img src=x onerror=alert(1)>").count("<img") == 0


def test_every_icon_is_in_the_sprite() -> None:
    sprite = (TEMPLATES.parent / "static/vendor/lucide/icons.svg").read_text(encoding="utf-8")
    sources = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in NAMES)
    used = set(re.findall(r"icon\(\"([a-z0-9-]+)\"\)", sources)) | {"sun", "moon", "monitor"}
    assert used
    assert used <= set(re.findall(r'id="([a-z0-9-]+)"', sprite))


def test_htmx_cannot_start_before_what_it_needs() -> None:
    """Deferred, it starts by a timer, sometimes before hx-sse is there: no stream, for good."""
    base = (TEMPLATES / "base.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script src=\"\{\{ static_url\('([^']+)'\) \}\}\"([^>]*)>", base)
    assert scripts == [
        ("vendor/htmx/htmx.min.js", ""),
        ("vendor/htmx/hx-sse.min.js", ""),
        ("app.js", " defer"),
    ]
