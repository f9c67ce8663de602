"""The folder of Unix sockets: what is left over is cleared, what is not ours is never touched."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import Conflict
from app.services.socket_files import SocketFiles


@pytest.fixture
def files(folder: Path) -> SocketFiles:
    made = SocketFiles(folder / "sockets")
    made.prepare()
    return made


def leave_a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_folder_is_for_this_user_only(files: SocketFiles) -> None:
    assert files.folder.stat().st_mode & 0o777 == 0o700
    files.folder.chmod(0o777)
    files.prepare()
    assert files.folder.stat().st_mode & 0o777 == 0o700


def test_free_name_is_clear(files: SocketFiles) -> None:
    files.clear("free.sock")
    assert not files.path("free.sock").exists()


def test_socket_that_is_left_over_is_cleared(files: SocketFiles) -> None:
    leave_a_socket(files.path("old.sock"))
    files.clear("old.sock")
    leave_a_socket(files.path("old.sock"))  # the name can be bound again


def regular_file(path: Path) -> None:
    path.write_bytes(b"dear")


def folder_with_a_file(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_bytes(b"dear")


def link_to_a_socket(path: Path) -> None:
    leave_a_socket(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def broken_link(path: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def pipe(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    "make", [regular_file, folder_with_a_file, link_to_a_socket, broken_link, pipe]
)
def test_what_is_no_socket_is_refused_and_stays(
    files: SocketFiles, make: Callable[[Path], None]
) -> None:
    path = files.path("name.sock")
    make(path)
    before = path.lstat()
    with pytest.raises(Conflict) as refused:
        files.clear("name.sock")
    assert (refused.value.code, refused.value.field) == ("socket_name_taken", "address.name")
    assert str(path) in refused.value.detail
    files.remove("name.sock")
    assert path.lstat() == before
    if make is link_to_a_socket:
        assert path.with_name("elsewhere").is_socket()


def test_removal_takes_the_socket_away_and_minds_no_absence(files: SocketFiles) -> None:
    leave_a_socket(files.path("done.sock"))
    files.remove("done.sock")
    assert not files.path("done.sock").exists()
    files.remove("done.sock")
