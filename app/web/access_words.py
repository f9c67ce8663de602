"""Users, sessions and acts in words, for the pages that show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from app.who import AuditEntry

#: What a browser calls itself, and what it is called. The first that is there: most of them say
#: that they are several.
_BROWSERS = (
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)

#: Characters of one value on the page of the audit; its export has all of it.
_VALUE_LENGTH = 160


def browser(agent: str) -> str:
    """The name of a browser, or whatever else it says that it is."""
    for mark, name in _BROWSERS:
        if mark in agent:
            return name
    return agent.partition("/")[0][:40] or "A browser"


def changes(entry: AuditEntry) -> Iterator[tuple[str, str, str]]:
    """What an act changed: (name, before, after), "" where there was nothing."""
    before, after = entry.before or {}, entry.after or {}
    for name in dict.fromkeys((*before, *after)):
        if not any(values.get(name) not in (None, {}) for values in (before, after)):
            continue
        yield name.replace("_", " "), _value(before, name), _value(after, name)


def _value(values: Mapping[str, object], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


FILTERS: Mapping[str, Callable[..., object]] = {"browser": browser, "changes": changes}
