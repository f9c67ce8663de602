from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from app.errors import Invalid
from app.handlers.registry import HandlerRegistry
from tests.app.handlers.files import HANDLER, own, refusal, said_by, write
from tests.app.handlers.serving import converse, serving


def test_without_a_folder_there_are_the_ready_made_ones(tmp_path: Path) -> None:
    registry = HandlerRegistry(tmp_path / "missing")
    assert [entry.key for entry in registry.entries()] == ["clock", "discard", "echo"]
    assert {entry.source for entry in registry.entries()} == {"built-in"}
    assert all(len(entry.transports) == 4 and entry.title for entry in registry.entries())


def test_rescan_takes_up_new_changed_mended_and_gone_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # a cache would hide the edit
    keep = write(tmp_path, "keep.py", HANDLER.format(name="Keep", said="x"))
    edit = write(tmp_path, "edit.py", HANDLER.format(name="Edit", said="one"))
    mend = write(tmp_path, "mend.py", "def (:")
    gone = write(tmp_path, "gone.py", HANDLER.format(name="Gone", said="x"))
    registry = HandlerRegistry(tmp_path)
    kept = registry.handler_class("keep.py:Keep", "tcp", {})
    stat = edit.stat()
    write(tmp_path, "edit.py", HANDLER.format(name="Edit", said="two"))
    os.utime(edit, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as in a quick edit: same size, time
    write(tmp_path, mend.name, HANDLER.format(name="Mended", said="x"))
    write(tmp_path, "new.py", HANDLER.format(name="New", said="x"))
    gone.unlink()
    os.utime(keep)
    assert [entry.key for entry in registry.rescan()] == [
        *("clock", "discard", "echo"),
        *("edit.py:Edit", "keep.py:Keep", "mend.py:Mended", "new.py:New"),
    ]
    assert said_by(registry, "edit.py:Edit", tmp_path) == b"two"
    assert registry.handler_class("keep.py:Keep", "tcp", {}) is kept
    assert "sockpit_handlers.gone" not in sys.modules
    assert not list(tmp_path.rglob("*.pyc"))


def test_a_running_server_keeps_the_class_it_was_started_with(tmp_path: Path) -> None:
    write(tmp_path, "edit.py", "WORD = b'old'\n" + HANDLER.format(name="Edit", said="x"))
    text = (tmp_path / "edit.py").read_text().replace('b"x"', "WORD")
    write(tmp_path, "edit.py", text)
    registry = HandlerRegistry(tmp_path)
    with serving("tcp", registry.handler_class("edit.py:Edit", "tcp", {}), tmp_path) as where:
        write(tmp_path, "edit.py", text.replace("old", "new"))
        registry.rescan()
        assert converse(where, b"") == b"old"
        (tmp_path / "edit.py").unlink()
        registry.rescan()
        assert converse(where, b"") == b"old"


def test_a_file_that_comes_to_fail_takes_its_handlers_with_it(tmp_path: Path) -> None:
    write(tmp_path, "edit.py", HANDLER.format(name="Edit", said="one"))
    registry = HandlerRegistry(tmp_path)
    write(tmp_path, "edit.py", "import no_such_thing")
    registry.rescan()
    assert own(registry) == ["edit.py"]
    code, _, detail = refusal(registry, "edit.py:Edit")
    assert code == "unknown_handler"
    assert "no_such_thing" in detail


def test_a_file_that_failed_for_want_of_something_is_tried_again_unchanged(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    text = f"open({str(flag)!r}).close()\n" + HANDLER.format(name="Late", said="x")
    write(tmp_path, "late.py", text)
    registry = HandlerRegistry(tmp_path)
    assert own(registry) == ["late.py"]
    flag.touch()
    registry.rescan()
    assert own(registry) == ["late.py:Late"]


@pytest.mark.parametrize(
    "key",
    [
        *("os.system", "subprocess.Popen", "..evil", "handlers.echo.__globals__", ""),
        *("greeter.py:__init__", "app.handlers.echo:EchoStream", "antigravity", "\ud800" * 99),
    ],
)
def test_a_key_is_looked_up_and_never_imported(key: str, tmp_path: Path) -> None:
    registry = HandlerRegistry(tmp_path)
    before = dict(sys.modules)
    code, field, detail = refusal(registry, key)
    assert (code, field) == ("unknown_handler", "handler")
    assert "GET /api/v1/handlers" in detail
    detail.encode("utf-8")
    assert sys.modules == before


def test_a_handler_is_refused_a_transport_it_does_not_serve(tmp_path: Path) -> None:
    write(tmp_path, "a.py", HANDLER.format(name="Streams", said="x"))
    registry = HandlerRegistry(tmp_path)
    with pytest.raises(Invalid) as refused:
        registry.handler_class("a.py:Streams", "udp", {})
    assert (refused.value.code, refused.value.field) == ("handler_transport", "handler")
    assert "tcp and unix, not udp" in refused.value.detail


def test_options_that_no_longer_fit_are_refused(tmp_path: Path) -> None:
    registry = HandlerRegistry(tmp_path)
    with pytest.raises(Invalid) as refused:
        registry.handler_class("clock", "tcp", {"utc": "yes", "zone": 1})
    assert [error.code for error in refused.value.fields] == [
        "wrong_option_type",
        "unknown_option",
    ]


def test_readers_see_whole_snapshots_while_others_rescan(tmp_path: Path) -> None:
    write(tmp_path, "a.py", HANDLER.format(name="One", said="x"))
    registry = HandlerRegistry(tmp_path)

    def edit(word: str) -> None:
        for turn in range(30):
            write(tmp_path, "a.py", HANDLER.format(name="One", said=f"{word}{turn}"))
            registry.rescan()

    editors = [threading.Thread(target=edit, args=(word,)) for word in "ab"]
    for editor in editors:
        editor.start()
    seen = set()
    while any(editor.is_alive() for editor in editors):
        seen.add(len(registry.entries()))
    for editor in editors:
        editor.join()
    registry.rescan()
    assert own(registry) == ["a.py:One"]
    assert seen <= {3, 4}  # while it is being written the file may be read empty
