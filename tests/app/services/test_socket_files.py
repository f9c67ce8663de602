"""The folder of Unix sockets: what is left over is cleared, what is not ours is never touched."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import Conflict, Unavailable
from app.services.socket_files import SocketFiles
from sockcore.unix_path import UnixPath


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
    files.folder.chmod(0o755)
    files.prepare()
    assert files.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_folder_that_others_may_write_in_is_refused(files: SocketFiles, mode: int) -> None:
    files.folder.chmod(mode)
    with pytest.raises(Unavailable, match="can be written by other users") as refused:
        files.prepare()
    assert refused.value.code == "socket_folder_unsafe"
    assert files.folder.stat().st_mode & 0o7777 == mode


def test_folder_that_is_a_link_is_refused(folder: Path) -> None:
    (folder / "elsewhere").mkdir(mode=0o700)
    (folder / "sockets").symlink_to(folder / "elsewhere")
    with pytest.raises(Unavailable, match="is a link or no folder"):
        SocketFiles(folder / "sockets").prepare()


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser may give a folder away")
def test_folder_of_another_user_is_refused(files: SocketFiles) -> None:
    os.chown(files.folder, 12345, 12345)
    with pytest.raises(Unavailable, match="belongs to another user"):
        files.prepare()


def test_free_name_is_clear(files: SocketFiles) -> None:
    files.clear("free.sock")
    assert not files.path("free.sock").exists()


def test_a_socket_is_left_to_who_binds(files: SocketFiles) -> None:
    leave_a_socket(files.path("old.sock"))
    before = files.path("old.sock").lstat()
    files.clear("old.sock")
    assert files.path("old.sock").lstat() == before


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


def test_removal_takes_what_a_killed_server_left_and_minds_no_absence(files: SocketFiles) -> None:
    path = files.path("done.sock")
    bound = UnixPath.claim(str(path.resolve()))
    assert bound is not None
    leave_a_socket(path)
    bound.bound()
    files.remove("done.sock")  # it is served, as far as anybody can tell
    assert path.is_socket()
    os.close(bound._lock)  # as the kernel does when its process is killed
    files.remove("done.sock")
    assert os.listdir(files.folder) == []
    files.remove("done.sock")


def test_removal_leaves_what_a_server_of_ours_did_not_bind(files: SocketFiles) -> None:
    leave_a_socket(files.path("foreign.sock"))
    files.remove("foreign.sock")
    assert os.listdir(files.folder) == ["foreign.sock"]
