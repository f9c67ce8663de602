"""What descriptors a process has open, but for those of the request log.

An app may run in a thread of the tests, and what reads and indexes its log comes and goes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: What the files of a log have in their names, those that SQLite keeps beside them too.
_LOG = (".sqlite3", ".index")


def count(pid: int | str = "self") -> int:
    return sum(1 for _ in targets(pid))


def targets(pid: int | str = "self") -> Iterator[str]:
    """What each of them is: `socket:[4711]`, a path."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:  # closed meanwhile
            continue
        if not any(word in target for word in _LOG):
            yield target
