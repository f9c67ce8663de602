"""Whether there is room on the disk for the request log, so that something is left for the rest.

Knows the disk. Knows nothing of who writes to it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

#: What is kept free of a disk: a twentieth, or this many bytes if they are more; but never more
#: than a quarter, which a small disk would not have.
_SHARE: Final = 20
_BYTES: Final = 256 * 1024**2
_MOST_SHARE: Final = 4


def shortage(folder: Path) -> str | None:
    """Why nothing should be written to `folder` now, and the way out; None if there is room.

    Raises: OSError.
    """
    total, _, free = shutil.disk_usage(folder)
    floor = kept_free(total)
    if free >= floor:
        return None
    return (
        f"Its disk has {free // 1_000_000} MB left, and {floor // 1_000_000} MB of it are kept "
        "free. Make room or keep less of the log: then it goes on by itself."
    )


def kept_free(total: int) -> int:
    """The bytes that are kept free of a disk of `total` bytes."""
    return max(total // _SHARE, min(_BYTES, total // _MOST_SHARE))
