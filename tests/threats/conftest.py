"""What the threats' tests share with those of the pages."""

from __future__ import annotations

from tests.app.web.conftest import panel, settings

__all__ = ["panel", "settings"]
