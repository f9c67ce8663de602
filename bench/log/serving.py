"""What the log costs those who are served: a pool with the log on, off, and without a sink.

Rounds alternate between the servers, each in a process of its own on the same core; a ratio is
the median of the ratios of neighbours. A round with the log on ends when its last row is on the
disk.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from bench.loads import Churn
from bench.log.figure import Figure
from bench.machine import cores
from bench.process import ServerProcess, python_server

ROUNDS = 7

#: Seconds that the last requests have to be told of and stored.
TOLD_S = 5.0

_BACKLOG = ("--backlog", "512")
_POOL = ("sockcore", "PoolTCPServer", *_BACKLOG)
_SERVERS = {
    "logged": (*_POOL, "--run", "logged"),
    "watched": (*_POOL, "--run", "watched"),
    "bare": _POOL,
    "stdlib": ("stdlib", "ThreadingTCPServer", *_BACKLOG),
}


def served(requests: int, rounds: int = ROUNDS) -> Iterator[Figure]:
    """`requests`: of a round."""
    with on_the_last_core(), ExitStack() as stack:
        servers = {
            name: stack.enter_context(ServerProcess(python_server(*arguments), cores()[0]))
            for name, arguments in _SERVERS.items()
        }
        loads = {name: Churn(server.port) for name, server in servers.items()}
        for name, server in servers.items():  # not counted: it warms up
            _round(name, server, loads[name], max(1, requests // 5))
        rates: dict[str, list[float]] = {name: [] for name in servers}
        for _ in range(rounds):
            for name, server in servers.items():
                rates[name].append(_round(name, server, loads[name], requests))
        _check(servers["logged"].report, requests * rounds + max(1, requests // 5))
    yield Figure("serving, log on", statistics.median(rates["logged"]), "requests/s")
    for other, named, factor, unit, least in (
        ("watched", "log off", 100, "%", 75),
        ("bare", "no sink", 100, "%", None),
        ("stdlib", "bare ThreadingTCPServer", 1, "x", 1.5),
    ):
        ratio = _ratio(rates["logged"], rates[other])
        yield Figure(f"serving, log on, of {named}", ratio * factor, unit, least=least)


def _round(name: str, server: ServerProcess, load: Churn, requests: int) -> float:
    """Returns: requests a second."""
    began = time.perf_counter()
    load.round(requests)
    if name == "logged":
        server.report()
    return requests / (time.perf_counter() - began)


def _check(report: Callable[[], str], requests: int) -> None:
    """What is dropped costs nothing. Of the latest the server tells a moment later."""
    until = time.monotonic() + TOLD_S
    while (said := report()) != f"stored {requests} dropped 0":
        if time.monotonic() > until:
            raise RuntimeError(f"{said!r} of {requests}")
        time.sleep(0.05)


def _ratio(ours: list[float], others: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, others, strict=True))


@contextmanager
def on_the_last_core() -> Iterator[None]:
    """The load, and what it starts."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
