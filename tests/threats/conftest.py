"""What the threats' tests share with those of the pages, and an app with much to send."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.who import SOCKPIT, Act
from tests.app.web.conftest import panel, settings
from tests.clients import ask
from tests.conftest import app_in_a_thread
from tests.running import AppThread, definition

__all__ = ["panel", "settings"]


@pytest.fixture(scope="package")
def full() -> Iterator[AppThread]:
    """An app whose downloads, of the log and of the audit, are longer than what is on the way."""
    with app_in_a_thread() as app:
        server = app.api.post("servers", definition())
        much = {"said": "x" * 200_000}
        for number in range(100):
            ask(server, bytes(range(256)) * 256)  # 64 KiB, some 170 KB of an export
            app.sockpit.audit.note(Act(by=SOCKPIT, what="test", target=f"{number}", after=much))
        app.api.finished(server["name"], 100)
        yield app
