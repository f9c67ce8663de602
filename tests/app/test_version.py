from __future__ import annotations

import tomllib
from pathlib import Path

from app.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def test_version_is_the_projects() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["version"] == VERSION
