"""The path of a local socket, reclaimed only when it is ours and nobody serves it any more.

    <path>       the socket
    <path>.lock  held (flock) while its server lives; names the socket that was bound

Knows files and locks. Knows nothing of servers. A connection attempt would prove nothing: a
live server whose backlog is full may refuse it too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import Any, Self

__all__ = ["UnixPath"]

#: How often a lock that was just released, and so removed, is made anew.
_TRIES = 100

#: The lock file is small: three numbers.
_MOST_BYTES = 200


class UnixPath:
    """A path that is ours until release().

    Thread: one at a time.
    """

    def __init__(self, path: str, lock: int) -> None:
        self._path = path
        self._lock = lock  # a descriptor; -1 when released
        self._bound: tuple[int, int, int] | None = None

    @classmethod
    def claim(cls, address: Any) -> Self | None:
        """Make way for bind(): a dead socket of ours at the path is removed, nothing else is.

        Returns: None for an abstract or automatic address, which is no path.
        Raises: OSError EADDRINUSE when one of ours lives there; other OSErrors of the lock file.
        """
        path = os.fsdecode(address)
        if not path or path[0] == "\0":
            return None
        claimed = cls(path, _locked(path))
        try:
            claimed._make_way()
        except BaseException:
            claimed.release()
            raise
        return claimed

    def _make_way(self) -> None:
        there = _socket_at(self._path)
        recorded = os.pread(self._lock, _MOST_BYTES, 0).split()
        if there is not None and [b"%d" % number for number in there] == recorded:
            os.unlink(self._path)

    def bound(self) -> None:
        """The socket at the path is ours from now on."""
        self._bound = _socket_at(self._path)
        if self._bound is not None:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, b"%d %d %d\n" % self._bound, 0)

    def leave(self) -> None:
        """Remove the socket, if it still is the one that was bound. Call it before the socket is
        closed: until then the kernel gives its inode to no other file."""
        bound, self._bound = self._bound, None
        if bound is not None and _socket_at(self._path) == bound:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path)

    def release(self) -> None:
        """Let others have the path."""
        lock, self._lock = self._lock, -1
        if lock < 0:
            return
        # Removed while it is held: who opens it meanwhile sees that it is gone, and tries again.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_lock_path(self._path))
        os.close(lock)


def _lock_path(path: str) -> str:
    return f"{path}.lock"


def _locked(path: str) -> int:
    """The descriptor of the lock file, locked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    for _ in range(_TRIES):
        lock = os.open(_lock_path(path), flags, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, _lock_path(path)):
                return lock
        except BlockingIOError:
            os.close(lock)
            break
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)


def _is_at(descriptor: int, path: str) -> bool:
    """Whether the open file still is the one at the path."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    return False


def _socket_at(path: str) -> tuple[int, int, int] | None:
    """What tells the socket at the path from any other; None when there is something else, or
    nothing. An inode's number is given again: the time when it was made is not."""
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if stat.S_ISSOCK(found.st_mode):
            return found.st_dev, found.st_ino, found.st_mtime_ns
    return None
