"""Who may import whom, how long a file and a function may grow. The tables are the rules."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"app", "sockcore", "migrations", "handlers", "bench", "scripts", "tests"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 30

#: sockcore, bottom first: each may import those before it.
SOCKCORE_ORDER = (
    *("errors", "values", "events", "state", "limits", "totals", "peers", "replies", "kernel"),
    "failures",
    *("tape", "noting", "tls", "observe_tls", "observe"),
    *("connections", "streams", "table", "telling", "teller", "stillness", "observer"),
    *("stream_observer", "datagram_observer", "unix_path", "wire", "ticker", "loop"),
    *("decoding", "framing", "handlers", "messages", "conversation"),
    *("base", "tcp", "udp", "watching", "threads", "parking", "workers", "pool", "event"),
    *("children", "relay", "forks", "servers"),
)
#: Beside the order: a background server needs any but the mixins.
SOCKCORE_BESIDE = {
    "outbox": set(SOCKCORE_ORDER),
    "host_errors": set(SOCKCORE_ORDER),
    "host_open": set(SOCKCORE_ORDER),
    "host_restarts": set(),
    "host_stderr": set(),
    "host_process": {*SOCKCORE_ORDER, "host_errors", "host_open", "host_stderr"},
    "host": {*SOCKCORE_ORDER, "host_errors", "host_process", "host_restarts"},
    "hosted_forking": {*SOCKCORE_ORDER, "background", "outbox"},
    "hosted": {
        *SOCKCORE_ORDER,
        *("background", "outbox", "host_errors", "hosted_forking"),
    },
    "background": set(SOCKCORE_ORDER)
    - {"threads", "parking", "workers", "pool", "event", "servers"},
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What one part may import: others of ours (besides itself), and packages of others."""

    ours: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()


def rule(ours: str = "", others: str = "") -> Rule:
    return Rule(frozenset(ours.split()), frozenset(others.split()))


_FACTS = (
    "app.domain app.errors app.log_facts app.search app.settings app.times app.version app.who "
    "sockcore"
)
_FACE = (
    "app.deps app.who app.domain app.errors app.log_facts app.search app.services "
    "app.handlers.registry app.times"
)
_SQL = "alembic sqlalchemy sqlmodel"
_WEB = "anyio fastapi"

#: Upper parts come later. A module has the rule of the longest name that it is or lies in.
RULES = {
    "app.errors": rule(),
    "app.times": rule(),
    "app.who": rule(),
    "app.crowd": rule(),
    "app.durable": rule(),
    "app.failpoints": rule(),
    "app.log_facts": rule(),
    "app.log_lines": rule(),
    "app.private": rule(),
    "app.version": rule(),
    "app.settings": rule(others="pydantic pydantic_settings"),
    "app.domain": rule("app.log_facts sockcore"),
    "app.handlers": rule(_FACTS),
    "app.search": rule("app.domain app.errors sockcore"),
    "app.export": rule("app.domain app.errors app.log_facts app.times"),
    "app.store": rule(f"{_FACTS} app.durable app.failpoints", _SQL),
    "app.services": rule(f"{_FACTS} app.crowd app.durable app.failpoints app.handlers app.store"),
    "app.services.pem": rule("app.errors", "cryptography"),
    "app.services.masks": rule(others="re2"),
    "app.services.passwords": rule("app.errors app.handlers.quote app.services.fields", "pwdlib"),
    "app.services.throttle": rule("app.crowd app.errors", "limits"),
    "app.instance": rule("app.durable app.errors"),
    "app.demo": rule("app.who app.errors app.settings app.services"),
    "app.deps": rule(f"{_FACTS} app.handlers.registry app.services", "fastapi"),
    "app.api": rule(f"{_FACE} app.export", f"{_WEB} pydantic"),
    "app.web": rule(f"{_FACE} app.static_files", f"{_WEB} jinja2 markupsafe"),
    "app.static_files": rule(others="starlette"),
    "app.routes": rule(others="fastapi starlette"),
    "app.error_handlers": rule("app", f"{_WEB} starlette"),
    "app.guards": rule(
        "app.errors app.error_handlers app.settings",
        "asgi_cross_origin_protection fastapi starlette",
    ),
    "app.panel_door": rule("app.crowd"),
    "app.panel_protocol": rule(
        "app.api.problems app.error_handlers app.guards app.panel_door", "uvicorn"
    ),
    "app.panel_tls": rule("app.panel_door app.panel_protocol", "uvicorn"),
    "app.main": rule("app sockcore", f"{_WEB} starlette"),
    "app.cli": rule("app sockcore", "pydantic typer uvicorn"),
    "app.__main__": rule("app", "typer"),
    "migrations": rule("app.settings app.store", _SQL),
    "handlers": rule("sockcore"),
}


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of ours."""

    name: str  # dotted; a package has the name of its folder
    path: Path
    tree: ast.Module

    @property
    def where(self) -> str:
        return str(self.path.relative_to(ROOT))

    def imports(self) -> Iterator[tuple[int, str]]:
        """(line, dotted name) of everything it imports, also in functions and for types only."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                for alias in node.names:
                    name = f"{base}.{alias.name}"
                    yield node.lineno, name if name in MODULE_NAMES else base

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        package = self.name.split(".")
        keep = len(package) - node.level + (self.path.name == "__init__.py")
        return ".".join([*package[:keep], *([node.module] if node.module else [])])


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def python_files() -> list[Path]:
    return sorted(path for package in OURS for path in (ROOT / package).rglob("*.py"))


MODULE_NAMES = {module_name(path) for path in python_files()}
MODULES = [
    Module(module_name(path), path, ast.parse(path.read_text(encoding="utf-8")))
    for path in python_files()
]


def inside(name: str, packages: frozenset[str] | set[str]) -> bool:
    """Is this dotted name one of them, or in one of them?"""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def part_of(name: str) -> str | None:
    """The entry of RULES for this module."""
    parts = [part for part in RULES if inside(name, {part})]
    return max(parts, key=len, default=None)


def in_package(*packages: str) -> list[Module]:
    return [module for module in MODULES if module.name.split(".")[0] in packages]


def is_stdlib(name: str) -> bool:
    return name.split(".")[0] in sys.stdlib_module_names


def problem(part: str, imported: str) -> str | None:
    """Why `part` may not import this, or None when it may."""
    if is_stdlib(imported) or inside(imported, {part}):
        return None
    allowed = RULES[part]
    if imported.split(".")[0] in OURS:
        if inside(imported, allowed.ours):
            return None
        return f"{part} may import, of ours, only: {', '.join(sorted(allowed.ours)) or 'nothing'}"
    if inside(imported, allowed.others):
        return None
    return f"{part} may import, of others, only: {', '.join(sorted(allowed.others)) or 'nothing'}"


def test_the_walk_finds_the_house() -> None:
    assert {"app.settings", "sockcore.events", "migrations.env"} <= MODULE_NAMES


def test_parts_import_only_what_the_table_allows() -> None:
    found: list[str] = []
    for module in in_package("app", "migrations", "handlers"):
        part = part_of(module.name)
        if part is None:
            if module.name != "app":
                found.append(f"{module.where}: {module.name} has no place in RULES: give it one")
            continue
        for line, imported in module.imports():
            why = problem(part, imported)
            if why is not None:
                found.append(f"{module.where}:{line}: imports {imported}; {why}")
    assert not found, "\n" + "\n".join(found)


def test_app_package_itself_imports_nothing() -> None:
    (app,) = [module for module in MODULES if module.name == "app"]
    assert list(app.imports()) == []


@pytest.mark.parametrize("part", ["app.web", "app.api"])
def test_table_keeps_the_faces_from_each_other_and_from_the_store(part: str) -> None:
    other = "app.api" if part == "app.web" else "app.web"
    assert problem(part, f"{other}.stream") is not None
    assert problem(part, "app.store.database") is not None
    assert problem(part, "sqlmodel") is not None


def test_table_keeps_the_web_framework_from_the_services() -> None:
    for imported in ("fastapi", "starlette.requests", "app.web", "app.deps", "sqlalchemy"):
        assert problem("app.services", imported) is not None
    holders = {part for part, allowed in RULES.items() if allowed.others & set(_SQL.split())}
    assert holders == {"app.store", "migrations"}


def test_sockcore_imports_the_standard_library_and_itself_upward() -> None:
    found: list[str] = []
    for module in in_package("sockcore"):
        for line, imported in module.imports():
            why = _sockcore_problem(module.name, imported)
            if why is not None:
                found.append(f"{module.where}:{line}: imports {imported}; {why}")
    assert not found, "\n" + "\n".join(found)


def _sockcore_problem(importer: str, imported: str) -> str | None:
    if is_stdlib(imported) or importer == "sockcore":
        return None if is_stdlib(imported) or inside(imported, {"sockcore"}) else "not ours"
    if not inside(imported, {"sockcore"}):
        return "sockcore imports the standard library only"
    own, wanted = importer.removeprefix("sockcore."), imported.removeprefix("sockcore.")
    if own in SOCKCORE_BESIDE:
        return None if wanted in SOCKCORE_BESIDE[own] else f"{own} stands beside that"
    if own not in SOCKCORE_ORDER:
        return f"{own} has no place in SOCKCORE_ORDER: give it one"
    below = SOCKCORE_ORDER[: SOCKCORE_ORDER.index(own)]
    return None if wanted in below else f"{wanted} does not come before {own} in SOCKCORE_ORDER"


def test_sockcore_tables_name_only_what_exists() -> None:
    named = {f"sockcore.{name}" for name in (*SOCKCORE_ORDER, *SOCKCORE_BESIDE)}
    there = {module.name for module in in_package("sockcore")} - {"sockcore"}
    assert named == there


def test_rules_name_only_what_exists() -> None:
    missing = [part for part in RULES if not (ROOT / part.replace(".", "/")).exists()]
    assert [part for part in missing if part not in MODULE_NAMES] == []


def test_files_stay_short() -> None:
    found: list[str] = []
    for module in in_package("app", "sockcore"):
        count = len(module.path.read_text(encoding="utf-8").splitlines())
        if count > MAX_FILE_LINES:
            found.append(f"{module.where}: {count} lines, more than {MAX_FILE_LINES}: split it")
    assert not found, "\n" + "\n".join(found)


def _lines_without_docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    count = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None and first.end_lineno is not None:
        count -= first.end_lineno - first.lineno + 1
    return count


def test_functions_stay_short() -> None:
    found: list[str] = []
    for module in in_package("app", "sockcore"):
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            count = _lines_without_docstring(node)
            if count > MAX_FUNCTION_LINES:
                where = f"{module.where}:{node.lineno}"
                found.append(f"{where}: {node.name} has {count} lines, > {MAX_FUNCTION_LINES}")
    assert not found, "\n" + "\n".join(found)


def test_annotations_are_never_evaluated() -> None:
    wanted = "from __future__ import annotations"
    found = [
        module.where
        for module in MODULES
        if any(not isinstance(node, ast.Expr) for node in module.tree.body)
        and wanted not in module.path.read_text(encoding="utf-8").splitlines()
    ]
    assert not found, f"without `{wanted}`: {', '.join(found)}"
