"""What sockcore says it has: sorted, complete, the same at the top as below."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import sockcore

FOLDER = Path(sockcore.__file__).parent
MODULES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")

each_module = pytest.mark.parametrize("name", MODULES)


def module(name: str) -> ModuleType:
    return importlib.import_module(f"sockcore.{name}")


def defined_at_top(name: str) -> set[str]:
    """The public classes and functions that a module's text defines, in an `if` too."""
    found: set[str] = set()

    def look(body: list[ast.stmt]) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                found.add(node.name)
            elif isinstance(node, ast.If):
                look(node.body)

    look(ast.parse((FOLDER / f"{name}.py").read_text()).body)
    return {each for each in found if not each.startswith("_")}


def test_all_is_unique_and_there() -> None:
    names = sockcore.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(sockcore, name)] == []


def test_all_is_sorted_in_each_of_its_parts() -> None:
    tree = ast.parse((FOLDER / "__init__.py").read_text())
    parts = [
        [ast.literal_eval(item) for item in node.value.elts]
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AugAssign)
        and isinstance(node.value, ast.List)
        and "__all__" in ast.unparse(node)
    ]
    assert len(parts) == 6  # everywhere; with AF_UNIX, fork, epoll; the last two with AF_UNIX
    assert all(part == sorted(part) for part in parts)
    assert sorted(sum(parts, [])) == sorted(sockcore.__all__)


def test_all_is_complete() -> None:
    """Every public class that can be had from the package is declared, and nothing private."""
    public = {
        name
        for name, value in vars(sockcore).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("sockcore")
    }
    assert public <= set(sockcore.__all__)
    assert not [name for name in sockcore.__all__ if name.startswith("_")]


def test_events_are_all_had_from_the_top() -> None:
    assert set(module("events").__all__) <= set(sockcore.__all__)
    assert all(
        getattr(sockcore, name) is getattr(module("events"), name)
        for name in module("events").__all__
    )


@each_module
def test_module_declares_what_it_exports(name: str) -> None:
    exported = module(name).__all__
    assert len(exported) == len(set(exported))
    assert [each for each in exported if not hasattr(module(name), each)] == []
    assert defined_at_top(name) <= set(exported)


@each_module
def test_module_says_what_it_is_for(name: str) -> None:
    assert (module(name).__doc__ or "").strip()


@each_module
def test_module_imports_alone_and_the_standard_library_only(name: str) -> None:
    script = (
        f"import sys; sys.path.append({str(FOLDER.parent)!r}); import sockcore.{name}; "
        "print(*{each.split('.')[0] for each in sys.modules})"
    )
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    foreign = {n for n in ran.stdout.split() if not n.startswith("__")} - sys.stdlib_module_names
    assert foreign == {"sockcore"}


def test_typing_is_for_users_too() -> None:
    assert (FOLDER / "py.typed").is_file()
