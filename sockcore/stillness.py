"""How long ago something was, without the times that this process stood still.

Nobody is silent towards a process that does not listen: stopped by a signal, asleep with its
machine, or starved. Knows moments. Knows nothing of connections.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Stillness"]

#: A look is late from here on: ten times what is between two of them.
_LATE_NS = 1_000_000_000

#: How long what came meanwhile may take to be read, afterwards.
_GRACE_NS = 1_000_000_000

#: So many stands are remembered: one after the other, each shorter than any limit, may be long.
_REMEMBERED = 16


class Stillness:
    """Thread: the one that looks."""

    def __init__(self, now_ns: int) -> None:
        self._looked_ns = now_ns
        self._stands: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)  # from when, to when

    def look(self, now_ns: int) -> None:
        """It goes on. Call it a few times a second."""
        before, self._looked_ns = self._looked_ns, now_ns
        if now_ns - before > _LATE_NS:
            last_ns = self._stands[-1][1] if self._stands else 0
            self._stands.append((max(before, last_ns), now_ns + _GRACE_NS))

    def awake_s(self, lasted_ns: int, now_ns: int) -> float:
        """Seconds that count of something that has lasted so long now."""
        began_ns = now_ns - lasted_ns
        for from_ns, to_ns in self._stands:
            lasted_ns -= max(0, min(to_ns, now_ns) - max(from_ns, began_ns))
        return lasted_ns / 1e9
