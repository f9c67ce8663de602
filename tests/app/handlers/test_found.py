from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from app.handlers.registry import HandlerRegistry
from tests.app.handlers.files import HANDLER, found, own, refusal, said_by, write


def test_a_folder_that_is_a_file_has_none(tmp_path: Path) -> None:
    assert own(HandlerRegistry(write(tmp_path, "file", ""))) == []


def test_the_users_classes_are_offered_by_file_and_name(tmp_path: Path) -> None:
    write(tmp_path, "b.py", HANDLER.format(name="Second", said="two"))
    write(tmp_path, "a-1.py", HANDLER.format(name="First", said="one"))
    registry = HandlerRegistry(tmp_path)
    assert own(registry) == ["a-1.py:First", "b.py:Second"]
    info = found(registry, "a-1.py:First")
    assert (info.title, info.source, info.error) == ("Says one.", "a-1.py", None)
    assert said_by(registry, "a-1.py:First", tmp_path) == b"one"


def test_transports_follow_from_the_base_class_sockcores_or_the_stdlibs(tmp_path: Path) -> None:
    bases = ("StreamRequestHandler", "DatagramRequestHandler", "BaseRequestHandler")
    for module in ("sockcore", "socketserver"):
        classes = "".join(
            f"class {base[0]}({module}.{base}):\n    def handle(self): ...\n" for base in bases
        )
        write(tmp_path, f"{module}_.py", f"import {module}\n{classes}")
    registry = HandlerRegistry(tmp_path)
    for module in ("sockcore", "socketserver"):
        served = [found(registry, f"{module}_.py:{base[0]}").transports for base in bases]
        assert served == [
            ("tcp", "unix"),
            ("udp", "unix-datagram"),
            ("tcp", "udp", "unix", "unix-datagram"),
        ]


def test_what_is_imported_private_abstract_or_an_alias_is_not_offered(tmp_path: Path) -> None:
    text = HANDLER.format(name="Real", said="x") + (
        "from socketserver import DatagramRequestHandler\n"
        "from app.handlers.echo import Echo\n"
        "from sockcore import MessageRequestHandler\n"
        "class Messages(MessageRequestHandler): 'No handle_message of its own.'\n"
        "class _Private(Real): ...\n"
        "class Base(StreamRequestHandler): 'No handle of its own.'\n"
        "class Derived(Real): ...\n"
        "Alias = Real\n"
        "handler = 5\n"
    )
    write(tmp_path, "mine.py", text)
    assert own(HandlerRegistry(tmp_path)) == ["mine.py:Real", "mine.py:Derived"]


def test_other_files_and_links_out_of_the_folder_are_left_alone(tmp_path: Path) -> None:
    text = HANDLER.format(name="Found", said="x")
    folder = tmp_path / "handlers"
    folder.mkdir()
    outside = write(tmp_path, "outside.py", text)
    for name in ("note.txt", "_part.py", ".#edit.py", "pkg.pyc", "ok.py"):
        write(folder, name, text)
    (folder / "folder.py").mkdir()
    (folder / "out.py").symlink_to(outside)
    (folder / "gone.py").symlink_to(folder / "nothing")
    (folder / "in.py").symlink_to(folder / "ok.py")
    os.mkfifo(folder / "pipe.py")  # which would be waited for, were it opened
    assert own(HandlerRegistry(folder)) == ["in.py:Found", "ok.py:Found"]


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def (:\n", "SyntaxError: invalid syntax"),
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("def f(): f()\nf()\n", "RecursionError: maximum recursion depth exceeded"),
        ("raise ValueError('\\ud800 two\\nlines')\n", "ValueError: \\ud800 two"),
    ],
)
def test_a_file_that_fails_is_one_entry_with_its_traceback(
    tmp_path: Path, text: str, last: str
) -> None:
    write(tmp_path, "a.py", HANDLER.format(name="Before", said="x"))
    path = write(tmp_path, "bad.py", HANDLER.format(name="Lost", said="x") + text)
    write(tmp_path, "c.py", HANDLER.format(name="After", said="x"))
    registry = HandlerRegistry(tmp_path)
    assert own(registry) == ["a.py:Before", "bad.py", "c.py:After"]
    info = found(registry, "bad.py")
    assert info.broken
    assert info.transports == ()
    assert info.title.startswith(last)
    assert str(path) in (info.error or "")
    assert "found.py" not in (info.error or "")
    assert "importlib" not in (info.error or "")
    info.error.encode("utf-8") if info.error else None
    assert "sockpit_handlers.bad" not in sys.modules


def test_bytes_that_are_no_python_are_broken_too(tmp_path: Path) -> None:
    (tmp_path / "nul.py").write_bytes(b"x = 1\0")
    (tmp_path / "latin.py").write_bytes(b"x = '\xff'")
    registry = HandlerRegistry(tmp_path)
    assert own(registry) == ["latin.py", "nul.py"]
    assert all(found(registry, key).broken for key in own(registry))


def test_a_file_whose_name_is_no_text_is_named_in_a_way_that_can_be_shown(tmp_path: Path) -> None:
    write(tmp_path, os.fsdecode(b"\xff.py"), HANDLER.format(name="Found", said="x"))
    (key,) = own(HandlerRegistry(tmp_path))
    assert key.encode("utf-8") == b"\\udcff.py"


def test_one_class_with_a_bad_option_leaves_the_others_of_its_file(tmp_path: Path) -> None:
    text = HANDLER.format(name="Good", said="x") + (
        "class Bad(Good):\n    options = {'size': 'No default.'}\n"
    )
    write(tmp_path, "mixed.py", text)
    registry = HandlerRegistry(tmp_path)
    assert [found(registry, key).broken for key in own(registry)] == [False, True]
    code, field, detail = refusal(registry, "mixed.py:Bad")
    assert (code, field) == ("unknown_handler", "handler")
    assert "mixed.py:Bad" in detail


def test_an_import_that_does_not_end_holds_up_nothing_and_is_not_piled_up(tmp_path: Path) -> None:
    release = threading.Event()
    sys.modules["release_of_the_test"] = release  # type: ignore[assignment]
    write(tmp_path, "a.py", "import sys\nsys.modules['release_of_the_test'].wait()\n")
    write(tmp_path, "b.py", HANDLER.format(name="After", said="x"))
    try:
        registry = HandlerRegistry(tmp_path, import_deadline_s=0.05)
        assert own(registry) == ["a.py", "b.py:After"]
        assert "__main__" in (found(registry, "a.py").error or "")
        registry.rescan()
        (stuck,) = [thread for thread in threading.enumerate() if thread.name == "import:a.py"]
    finally:
        release.set()
        del sys.modules["release_of_the_test"]
    stuck.join()


def test_files_can_use_dataclasses_and_are_not_found_on_sys_path(tmp_path: Path) -> None:
    text = (
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\nclass Point:\n    x: int\n"
    )
    write(tmp_path, "os.py", text + HANDLER.format(name="Mine", said="x"))
    before = list(sys.path)
    assert own(HandlerRegistry(tmp_path)) == ["os.py:Mine"]
    assert sys.path == before
    assert sys.modules["os"] is os
