"""What descriptors a process has open, but for those of the request log.

An app may run in a thread of the tests, and what reads and indexes its log comes and goes.
"""

from __future__ import annotations

from pathlib import Path

from tests.promises.proc import descriptors

#: What the files of a log have in their names, those that SQLite keeps beside them too.
_LOG = (".sqlite3", ".index")

#: What each thread of a pool waits with, from when it first waits.
OF_THREADS = ("eventpoll",)


def targets(pid: int | str = "self", *, but: tuple[str, ...] = ()) -> list[str]:
    """`but`: words in the names of those that do not count either."""
    words = (*_LOG, *but)
    found = descriptors(pid).values()
    return [target for target in found if not any(word in target for word in words)]


def count(pid: int | str = "self") -> int:
    return len(targets(pid))


def in_words(pid: int | str, found: list[str]) -> str:
    """With what the kernel tells of TCP sockets, to see whose they are."""
    rows = Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    tcp = {f"socket:[{row.split()[9]}]": " ".join(row.split()[1:4]) for row in rows}
    return "; ".join(f"{target} {tcp.get(target, '')}" for target in found)
