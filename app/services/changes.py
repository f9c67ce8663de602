"""What the audit says of a server's definition: all of it, or what was changed of it."""

from __future__ import annotations

import dataclasses

from app.domain import ServerSpec
from app.who import Act, Who


def facts(spec: ServerSpec) -> dict[str, object]:
    """The definition, in words that JSON has."""
    found = dataclasses.asdict(spec)
    del found["name"], found["created_us"]
    found["handler_options"] = dict(spec.handler_options)
    found["capture"]["mask"] = list(spec.capture.mask)
    return found


def changed(before: ServerSpec, after: ServerSpec, by: Who) -> Act:
    """The act that made the one of the other."""
    old, new = facts(before), facts(after)
    names = [name for name in new if new[name] != old[name]]
    return Act(
        by=by,
        what="server.change",
        target=after.name,
        before={name: old[name] for name in names},
        after={name: new[name] for name in names},
    )
