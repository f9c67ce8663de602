"""The files of Unix servers: one folder of ours, names in it, nothing else.

Knows the folder and who may write in it. A socket in it is only ever removed by the rules of
`sockcore.unix_path`: when it is the very one that a server of ours bound, and nobody serves it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.errors import Conflict, Unavailable
from sockcore.unix_path import UnixPath

#: Of a socket: only this user's programs may connect, whatever the folder's mode becomes.
SOCKET_MODE = 0o600

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class SocketFiles:
    """`folder` is made with mode 0700: only this user's programs may connect."""

    folder: Path

    def prepare(self) -> None:
        """The folder, there and ours alone.

        Raises: Unavailable `socket_folder_unsafe` when others may have put things in it.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise self._unsafe("is a link or no folder")
        if found.st_uid != os.geteuid():
            raise self._unsafe("belongs to another user")
        if found.st_mode & _OTHERS_WRITE:
            raise self._unsafe("can be written by other users")
        self.folder.chmod(0o700)

    def path(self, name: str) -> Path:
        return self.folder / name

    def clear(self, name: str) -> None:
        """See that `name` is free to be bound, or has a socket: whose that is, binding finds out.

        Raises: Conflict when something that is no socket has the name.
        """
        path = self.path(name)
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise Conflict(
                "socket_name_taken",
                f"{path} exists and is no socket. Choose another name, or move that file away.",
                "address.name",
            )

    def remove(self, name: str) -> None:
        """Take away the socket of a server that was killed; who ended in order did so itself."""
        path = self.path(name)
        if path.is_socket():
            with suppress(OSError):  # it is served, or is no longer there
                claimed = UnixPath.claim(str(path.resolve()))
                if claimed is not None:
                    claimed.release()

    def _unsafe(self, why: str) -> Unavailable:
        return Unavailable(
            "socket_folder_unsafe",
            f"The folder of sockets, {self.folder}, {why}, so what lies in it cannot be trusted."
            " Look into it, then delete it: it is made anew.",
        )
