"""An act for tests that change something and do not care who did."""

from __future__ import annotations

from app.who import SOCKPIT, Act

ACT = Act(by=SOCKPIT, what="test", target="test")


def ignore(_act: Act) -> None:
    """Keep no act."""
