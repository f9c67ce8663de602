"""What descriptors a process has open, but for those of the request log.

An app may run in a thread of the tests, and what reads and indexes its log comes and goes.
"""

from __future__ import annotations

from tests.promises.proc import descriptors

#: What the files of a log have in their names, those that SQLite keeps beside them too.
_LOG = (".sqlite3", ".index")


#: What each thread of a pool waits with, from when it first waits.
OF_THREADS = ("eventpoll",)


def count(pid: int | str = "self", *, but: tuple[str, ...] = ()) -> int:
    """`but`: words in the names of those that do not count either."""
    words = (*_LOG, *but)
    return sum(not any(word in target for word in words) for target in descriptors(pid).values())
