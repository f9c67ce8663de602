"""The files of Unix servers: one folder of ours, names in it, nothing else.

The data directory is locked by this process, so a socket that lies here and is not served by
us is left over from a process that died. Anything that is no socket is never touched.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from app.errors import Conflict


@dataclass(frozen=True, slots=True)
class SocketFiles:
    """`folder` is made with mode 0700: only this user's programs may connect."""

    folder: Path

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def path(self, name: str) -> Path:
        return self.folder / name

    def clear(self, name: str) -> None:
        """Make room for binding `name`: take away a socket that nobody serves any more.

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
        path.unlink()

    def remove(self, name: str) -> None:
        """Take away the socket of a server that has stopped."""
        path = self.path(name)
        try:
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        except FileNotFoundError:
            return  # somebody tidied up before us
