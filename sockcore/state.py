"""The states of a background server and the moves between them.

Knows the table and nothing else: `background.py` walks it.

    STOPPED -> STARTING -> RUNNING -> STOPPING -> STOPPED
                   |          |
                   `-> FAILED <        FAILED -> STARTING (a retry) | STOPPED
"""

from __future__ import annotations

from enum import Enum

from sockcore.errors import StateError

__all__ = ["ServerState", "check_move"]


class ServerState(Enum):
    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    FAILED = "failed"  # could not listen, or the loop died


_MOVES: dict[ServerState, frozenset[ServerState]] = {
    ServerState.STOPPED: frozenset({ServerState.STARTING}),
    ServerState.STARTING: frozenset({ServerState.RUNNING, ServerState.FAILED}),
    ServerState.RUNNING: frozenset({ServerState.STOPPING, ServerState.FAILED}),
    ServerState.STOPPING: frozenset({ServerState.STOPPED}),
    ServerState.FAILED: frozenset({ServerState.STARTING, ServerState.STOPPED}),
}


def check_move(now: ServerState, then: ServerState) -> None:
    """Raises: StateError when the table does not allow it."""
    if then not in _MOVES[now]:
        raise StateError(f"a server that is {now.value} cannot become {then.value}")
