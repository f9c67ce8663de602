"""`python -m bench`: sockcore beside the stdlib's socketserver, in one run on one machine.

Server on the first core, load on the second; rounds alternate between the two (A B A B ...), and
the figure is the median of the ratios of neighbours, so that a noisy moment hits both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Self

from bench.load import Load, churn, datagrams, persistent

ROUNDS = int(os.environ.get("ROUNDS", "7"))


@dataclass(frozen=True)
class Work:
    name: str
    server: str
    load: Load
    requests: int


WORKS = (
    Work("churn, single", "TCPServer", churn, 2000),
    Work("churn, threading", "ThreadingTCPServer", churn, 2000),
    Work("50 persistent, threading", "ThreadingTCPServer", persistent, 10_000),
    Work("datagrams, single", "UDPServer", datagrams, 5000),
    Work("datagrams, threading", "ThreadingUDPServer", datagrams, 2000),
)


class Measured:
    """One server process under load."""

    def __init__(self, module: str, work: Work, *options: str) -> None:
        self._work = work
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.serve", module, work.server, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._port = int(self._read())

    def round(self) -> tuple[float, float]:
        """One round. Returns: CPU µs per request, requests per second."""
        before, started = self._cpu(), time.perf_counter()
        self._work.load(self._port, self._work.requests)
        elapsed = time.perf_counter() - started
        return (self._cpu() - before) / self._work.requests * 1e6, self._work.requests / elapsed

    def _cpu(self) -> float:
        assert self._process.stdin is not None
        self._process.stdin.write("cpu\n")
        self._process.stdin.flush()
        return float(self._read())

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.communicate(timeout=10)


def measure(work: Work) -> str:
    """One line of the table."""
    with (
        Measured("socketserver", work) as stdlib,
        Measured("sockcore", work) as plain,
        Measured("sockcore", work, "watched") as watched,
    ):
        contenders = (stdlib, plain, watched)
        for contender in contenders:
            contender.round()  # warm
        rounds = [[contender.round() for contender in contenders] for _ in range(ROUNDS)]
    cpu = [statistics.median(r[i][0] for r in rounds) for i in range(3)]
    speed = [statistics.median(r[0][0] / r[i][0] for r in rounds) for i in (1, 2)]
    rate = [statistics.median(r[i][1] for r in rounds) for i in range(3)]
    return (
        f"{work.name:26}{cpu[0]:8.1f}{cpu[1]:8.1f}{cpu[2]:9.1f}{speed[0]:9.2f}x{speed[1]:8.2f}x"
        f"{rate[0]:9,.0f}{rate[1]:9,.0f}{rate[2]:9,.0f}"
    )


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    print(f"{'':26}{'CPU µs per request':^25}{'stdlib / ours':^19}{'requests per second':^27}")
    print(
        f"{'':26}{'stdlib':>8}{'ours':>8}{'watched':>9}{'ours':>10}{'watched':>9}"
        f"{'stdlib':>9}{'ours':>9}{'watched':>9}"
    )
    for work in WORKS:
        print(measure(work), flush=True)


if __name__ == "__main__":
    main()
