"""T25: what reads HTTP for us is new enough, and is looked up among what is known to be weak."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.running import ROOT

#: The first versions without what T25 names: ranges that take quadratic time, forms without end.
FLOORS = {"starlette": (0, 49, 1), "python-multipart": (0, 0, 27)}


def locked(lock: str) -> dict[str, tuple[int, ...]]:
    text = (ROOT / lock).read_text(encoding="utf-8")
    pairs = re.findall(r"(?m)^([a-z0-9-]+)(?:\[[^\]]*\])?==([0-9.]+)", text)
    return {name: tuple(map(int, version.strip(".").split("."))) for name, version in pairs}


@pytest.mark.parametrize("name", FLOORS)
def test_t25_what_is_locked_is_new_enough(name: str) -> None:
    assert locked("requirements.lock")[name] >= FLOORS[name]


@pytest.mark.parametrize("name", FLOORS)
def test_t25_no_other_lock_goes_back_behind_it(name: str) -> None:
    for lock in ("requirements-dev.lock", "requirements-bench.lock"):
        assert locked(lock).get(name, FLOORS[name]) >= FLOORS[name]


# -- the audit ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / "scripts" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


GOOD = {"name": "good", "version": "1.0", "vulns": []}
BAD = {
    "name": "bad",
    "version": "1.0",
    "vulns": [{"id": "CVE-2025-1", "fix_versions": ["1.1", "2.0"], "aliases": []}],
}
UNKNOWN = {"name": "unknown", "skip_reason": "it could not be audited"}


def test_t25_what_is_vulnerable_is_named_with_the_way_out(audit: ModuleType) -> None:
    vulnerable, told = audit.verdict("a.lock", answer(GOOD, BAD))
    assert vulnerable
    assert "bad 1.0: CVE-2025-1, fixed in 1.1, 2.0" in told


def test_t25_what_was_not_asked_about_is_said(audit: ModuleType) -> None:
    vulnerable, told = audit.verdict("a.lock", answer(GOOD, UNKNOWN))
    assert not vulnerable
    assert "1 of 2 packages were audited" in told
    assert "not audited: unknown" in told


@pytest.mark.parametrize("said", [None, answer(UNKNOWN, UNKNOWN), answer()])
def test_t25_nobody_to_ask_is_no_clean_bill(audit: ModuleType, said: str | None) -> None:
    assert audit.verdict("a.lock", said) == (
        False,
        "a.lock: NOT AUDITED: the service of known vulnerabilities cannot be reached",
    )


@pytest.mark.parametrize(("said", "code"), [(answer(GOOD), 0), (answer(BAD), 1), (None, 0)])
def test_t25_it_fails_for_what_is_vulnerable_alone(
    audit: ModuleType, said: str | None, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Callable[[str], str | None] = lambda lock: said  # noqa: E731
    monkeypatch.setattr(audit, "asked", asked)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    assert audit.main() == code


def test_t25_every_check_of_a_change_audits() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    checks = re.search(r"(?m)^check:([^#\n]*)", text)
    assert checks is not None
    assert "audit" in checks[1].split()
    assert re.search(r"(?m)^audit:.*\n\t@\$\(BIN\)/python scripts/audit\.py$", text)
