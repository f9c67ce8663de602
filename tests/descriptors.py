"""What descriptors a process has open, but for those of the request log.

An app may run in a thread of the tests, and what reads and indexes its log comes and goes.
"""

from __future__ import annotations

from tests.promises.proc import descriptors

#: What the files of a log have in their names, those that SQLite keeps beside them too.
_LOG = (".sqlite3", ".index")


def count(pid: int | str = "self") -> int:
    return sum(not any(word in target for word in _LOG) for target in descriptors(pid).values())
