"""T35: what we run is what was locked, by its digest, and it asks nobody else for anything."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from tests import sealed
from tests.running import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock")


@pytest.mark.parametrize("lock", LOCKS)
def test_t35_all_that_is_locked_has_a_digest(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    entries = [line for line in lines if not line.lstrip().startswith("#")]
    assert len(entries) > 2
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(\[[\w,]+\])?==[^\s;]+", entry), entry[:80]
        digests = re.findall(r"--hash=(\S+)", entry)
        assert digests, f"no digest: {entry[:80]}"
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in digests)


def test_t35_whatever_installs_checks_the_digests() -> None:
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("Makefile", "Dockerfile")]
    lines = "".join(texts).replace("\\\n", " ")
    installs = re.findall(r"(?m)^.*\bpip install\b.*$", lines)
    from_locks = [line for line in installs if ".lock" in line or line.startswith("PIP")]
    assert len(from_locks) >= 3
    assert all("--require-hashes" in line for line in from_locks)
    # The tool that makes the locks is named with its version: there is no lock before it.
    others = [line for line in installs if line not in from_locks]
    assert all(re.search(r"\b\w+==[\d.]+\s*$", line) for line in others), others


def test_t35_what_is_vendored_is_what_was_fetched() -> None:
    folder = ROOT / "static" / "vendor"
    files = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
    found = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }
    assert found == {name: entry["sha256"] for name, entry in files.items()}
    assert [name for name in found if "htmx" in name]


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What came of using the app where nothing leads out."""
    done = subprocess.run(
        [*sealed.without_network(), sys.executable, "-m", "tests.threats.cut_off"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_t35_there_is_no_way_out(told: dict[str, Any]) -> None:
    assert "lo" in told["interfaces"]
    assert told["outside"] == [False, False]


def test_t35_cut_off_it_serves_every_page_and_every_file_of_it(told: dict[str, Any]) -> None:
    statuses = told["pages"]
    assert not {name: status for name, status in statuses.items() if status != 200}
    kinds = {
        name.partition("?")[0].rpartition(".")[2]
        for name in statuses
        if name.startswith("/static/")
    }
    assert {"css", "js"} <= kinds


def test_t35_cut_off_its_servers_answer_and_are_recorded(told: dict[str, Any]) -> None:
    assert told["echo"] == "hello\n"
    assert told["outcome"] == "ok"
    assert told["exit"] == 0
    assert "Traceback" not in told["log"]
    assert "ERROR" not in told["log"]
