"""Files that are on the disk when it is said so: copied, hashed, and there after a power cut.

Knows files. Knows nothing of what is in them.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

_PIECE: Final = 1024 * 1024


def copied(source: Path, target: Path, most: int | None = None) -> tuple[int, str]:
    """Make `target`, with mode 0600, of what `source` holds. Not for a database in use.

    `most`: of a source that somebody else may have made: it must be a file and no link to one, and
    is given up when it has more bytes; what is returned is then more than that.
    Returns: its bytes and their SHA-256 in hexadecimal digits. Raises: OSError.
    """
    digest, size = hashlib.sha256(), 0
    opener = None if most is None else _plain
    with open(source, "rb", opener=opener) as reading, open(target, "xb", opener=_own) as writing:
        while (most is None or size <= most) and (piece := reading.read(_PIECE)):
            writing.write(piece)
            digest.update(piece)
            size += len(piece)
        writing.flush()
        os.fsync(writing.fileno())
    return size, digest.hexdigest()


def _plain(path: str, flags: int) -> int:
    """Without waiting for one who writes, as opening a pipe does."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no file", path)
    return descriptor


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def digest(path: Path) -> str:
    """The SHA-256 of what it holds. Raises: OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Have a file or a folder on the disk as it is now. Raises: OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
