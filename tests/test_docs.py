"""The documents say what is so: settings, files, targets, and the example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from app.domain import TRANSPORTS
from app.search.line import KEYS
from app.search.terms import OUTCOMES
from app.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
SUFFIXES = {
    *(".css", ".example", ".html", ".ini", ".js", ".json", ".lock", ".mako", ".md", ".png"),
    *(".py", ".sh", ".svg", ".toml", ".txt", ".yaml", ".yml"),
}
#: Top-level names that are made by running, not committed.
MADE = {"data", "build", ".venv"}
#: Names in the prose that are a user's file or what a user's file is called.
EXAMPLES = {"file.py", "_x.html", "manifest.json"}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def prose(document: Path) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", document.read_text(encoding="utf-8"))


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


@cache
def top_level() -> frozenset[str]:
    return frozenset(path.name for path in ROOT.iterdir())


def looks_like_a_path(name: str) -> bool:
    """Of what stands in backticks: is it a file or folder of this project?"""
    if not re.fullmatch(r"[\w.\-]+(/[\w.\-]+)*/?", name) or name in EXAMPLES:
        return False
    first = name.split("/")[0]
    if first in MADE or re.fullmatch(r"[\w.]+/(json|problem\+json|plain|html)", name):
        return False
    return Path(name).suffix in SUFFIXES or ("/" in name and first in top_level())


def named_paths(document: Path) -> set[str]:
    text = prose(document)
    spans = set(re.findall(r"`([^`\n]+)`", text))
    links = {link for link in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in link}
    return {span for span in spans if looks_like_a_path(span)} | links


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_documents_name_only_files_that_exist(document: Path) -> None:
    missing = [
        name
        for name in sorted(named_paths(document))
        if not (ROOT / name).exists() and not (document.parent / name).exists()
    ]
    assert not missing, f"{relative(document)} names {', '.join(missing)}"


def test_paths_are_found_in_documents() -> None:
    assert {"docs/operations.md", "handlers/", "docs/screenshot.png"} <= named_paths(GUIDES[0])
    assert looks_like_a_path("app/nowhere.py")
    assert not looks_like_a_path("application/json")
    assert not looks_like_a_path("/api/v1/servers")


def make_targets() -> set[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"(?m)^([a-z]+):", text))


@pytest.mark.parametrize("document", DOCUMENTS, ids=relative)
def test_documents_name_only_targets_that_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?m)(?:`|^)make (?:[A-Z]+=\S+ )*([a-z]+)", text))
    assert named <= make_targets(), f"{relative(document)}: {named - make_targets()}"


def test_makefile_explains_every_target_it_offers() -> None:
    offered = {"help", "run", "test", "check", "lint", "format", "types", "lock", "vendor"}
    offered |= {"audit", "bench", "torture", "clean", "migration"}
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(re.findall(r"(?m)^([a-z]+):.*## ", text)) == offered


def test_makefile_runs_only_what_exists() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    modules = set(re.findall(r"\$\(BIN\)/python -m ([a-z]+)", text)) - {"pip", "pytest"}
    assert "app" in modules
    for module in modules:
        assert (ROOT / module / "__main__.py").exists(), f"there is no {module}/__main__.py"
    for script in re.findall(r"scripts/\S+", text):
        assert (ROOT / script).exists(), script


def settings_rows() -> dict[str, str]:
    """Variable -> its default as written, from the table in the operations page."""
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(SOCKPIT_\w+)` \| (.*?) \| .+ \| .+ \|$", text)
    return {name: "" if default == "none" else default.strip("`") for name, default in rows}


def example_variables() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize("written", [settings_rows, example_variables])
def test_every_setting_is_written_down_with_its_default(
    written: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(written)
    variables = written()
    assert set(variables) == {f"SOCKPIT_{name.upper()}" for name in Settings.model_fields}
    for name in variables:
        monkeypatch.delenv(name, raising=False)
    defaults = Settings()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert Settings() == defaults


def test_every_exit_code_is_written_down() -> None:
    source = (ROOT / "app" / "cli" / "exits.py").read_text(encoding="utf-8")
    codes = {int(code) for code in re.findall(r"(?m)^[A-Z_]+ = (\d+)", source)}
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("## Exit codes")[2].partition("\n## ")[0]
    assert {int(code) for code in re.findall(r"(?m)^\| (\d+) \|", section)} == codes | {0}


def test_every_key_of_the_search_line_is_written_down() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("## The search line")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"(?m)^\| (`.+?`|none) \| (.+?) \| ", section))
    assert set(" ".join(rows).replace("`", "").split()) == {*KEYS, "none"}
    for key, words in (("kind", TRANSPORTS), ("outcome", OUTCOMES)):
        assert set(re.findall(r"`([^`]+)`", rows[f"`{key}`"])) == set(words)


def test_every_promise_is_accounted_for() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| R(\d+) \| .+ \| (\*\*kept\*\*|not yet\b.*) \|$", text)
    assert [int(number) for number, _ in rows] == list(range(1, 39))


def test_decisions_are_numbered_and_short() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, page in enumerate(pages, start=1):
        lines = page.read_text(encoding="utf-8").splitlines()
        assert page.name.startswith(f"{number:04}-")
        assert lines[0].startswith(f"# {number}. ")
        assert len(lines) <= 40
        assert {"## Context", "## Decision", "## Consequences"} <= set(lines), page.name


def test_readme_example_does_what_it_says() -> None:
    (example,) = blocks(ROOT / "README.md", "python")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["HELLO", "6", "bytes", "received"]
