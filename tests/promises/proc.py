"""What Linux tells of another process: memory, descriptors, threads, children, time used.

Knows process ids and /proc. Knows nothing of servers.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Figures", "children", "cpu_s", "descriptors", "figures", "rss"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a process holds."""

    descriptors: int
    threads: int
    children: int


def figures(pid: int) -> Figures:
    return Figures(
        descriptors=len(os.listdir(f"/proc/{pid}/fd")),
        threads=len(os.listdir(f"/proc/{pid}/task")),
        children=len(children(pid)),
    )


def rss(pid: int) -> int:
    """Bytes of memory that are its own or shared, and resident."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def cpu_s(pid: int) -> float:
    """Seconds of processor time used so far, in the kernel too."""
    # The name of the program, in parentheses, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def descriptors(pid: int | str = "self") -> dict[int, str]:
    """What each open descriptor is: `socket:[4711]`, a path."""
    found = {}
    for each in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found[int(each.name)] = os.readlink(each)
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


def children(pid: int) -> list[int]:
    """Its child processes, those too that have ended and are not waited for."""
    found = []
    for each in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = each.read_text().rpartition(")")[2].split()[1]
        except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
            continue
        if int(parent) == pid:
            found.append(int(each.parent.name))
    return found
