"""What is recorded is for this user alone: nobody else has rights to its files.

Knows files and their modes, and which of a data directory there are. Knows nothing of what is in
them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger("app")

#: What others would have of a file.
_OTHERS: Final = 0o077


def make_private() -> None:
    """All that this process and those that it starts make from now on is for its user alone."""
    os.umask(_OTHERS)


def keep_private(data_dir: Path) -> None:
    """Take from others what rights they have to what is there: an older version gave them, or
    whoever put it there. The folder itself is as its owner made it."""
    for path in _recorded(data_dir):
        try:
            mode = path.stat().st_mode
            if mode & _OTHERS:
                path.chmod(mode & 0o700)
        except OSError as error:
            log.warning("others may be able to read %s: %s", path, error)


def _recorded(data_dir: Path) -> Iterator[Path]:
    yield from data_dir.glob("control*.sqlite3*")
    for folder in (data_dir / "requests", data_dir / "tls"):
        if folder.is_dir():
            yield folder
            yield from folder.rglob("*")
