"""What is measured: the works, who does each of them, and what sockcore is to reach there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import probes
from bench.process import ServerProcess

BACKLOG = ("--backlog", "512")
#: Threads of a pool that is to hold the connections of `loads.CONNECTIONS` at one time.
THREADS = ("--threads", "64")
MESSAGE = ("--handler", "message")
DATAGRAM = ("--handler", "datagram")


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to serve. `arguments`: of `python -m bench.servers`, or of the C program."""

    name: str
    arguments: tuple[str, ...]

    @property
    def family(self) -> str:
        return self.name.split()[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What `row` is to reach: in figures of its own, or against `baseline` in the same rounds.

    Against a baseline `at_least` is how many times as cheap, `at_most` how many times as dear.
    """

    row: str
    figure: str = "cpu_us"
    baseline: str | None = None
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of load. `size`: requests a round, or connections. `max_rounds`: where one is
    long. `alone`: each server has a fresh process and no other beside it."""

    key: str
    title: str
    probe: Callable[[ServerProcess, int], probes.Probe]
    size: int
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    max_rounds: int = 1000
    alone: bool = False


def stdlib(name: str, *more: str) -> Contender:
    return Contender(f"stdlib {name}", ("stdlib", name, *more))


def ours(name: str, *more: str, run: str = "") -> Contender:
    """`run`: watched or hosted."""
    shown = f"sockcore {name}, {run}" if run else f"sockcore {name}"
    return Contender(shown, ("sockcore", name, *more, *(("--run", run) if run else ())))


THREADING = "stdlib ThreadingTCPServer"
STREAM_PEERS = (
    Contender("asyncio streams", ("asyncio", "streams", *BACKLOG)),
    Contender("asyncio Protocol", ("asyncio", "protocol", *BACKLOG)),
    Contender("uvloop Protocol", ("uvloop", "protocol", *BACKLOG)),
    Contender("gevent StreamServer", ("gevent", "tcp", *BACKLOG)),
    Contender("twisted LineOnlyReceiver", ("twisted", "tcp", *BACKLOG)),
    Contender("C epoll", ("tcp", "512")),
)

CHURN = Work(
    key="churn",
    title="Churn: a connection a request, 8 under way",
    probe=probes.Churning,
    size=1500,
    contenders=(
        stdlib("TCPServer", *BACKLOG),
        stdlib("ThreadingTCPServer", *BACKLOG),
        ours("TCPServer", *BACKLOG),
        ours("ThreadingTCPServer", *BACKLOG),
        ours("PoolTCPServer", *BACKLOG),
        ours("PoolTCPServer", *BACKLOG, run="watched"),
        ours("EventTCPServer", *MESSAGE, *BACKLOG),
        *STREAM_PEERS,
    ),
    targets=(
        Target(row="sockcore PoolTCPServer", baseline=THREADING, at_least=2.5),
        Target(row="sockcore PoolTCPServer, watched", baseline=THREADING, at_least=2.0),
        Target(row="sockcore ThreadingTCPServer", baseline=THREADING, at_least=1.3),
        Target(row="sockcore TCPServer", baseline="stdlib TCPServer", at_least=1.3),
    ),
)

PERSISTENT = Work(
    key="persistent",
    title="Persistent: 50 connections, one line under way on each",
    probe=probes.Staying,
    size=10_000,
    contenders=(
        stdlib("ThreadingTCPServer", *BACKLOG),
        ours("ThreadingTCPServer", *BACKLOG),
        ours("PoolTCPServer", *BACKLOG, *THREADS),
        ours("EventTCPServer", *MESSAGE, *BACKLOG),
        *STREAM_PEERS,
    ),
    targets=(
        Target(row="sockcore ThreadingTCPServer", baseline=THREADING, at_least=1.3),
        Target(row="sockcore PoolTCPServer", baseline=THREADING, at_least=1.3),
        Target(row="sockcore EventTCPServer", baseline="asyncio streams", at_least=2.0),
        Target(row="sockcore EventTCPServer", baseline="gevent StreamServer", at_least=1.0),
        Target(row="sockcore EventTCPServer", baseline="twisted LineOnlyReceiver", at_least=1.0),
        Target(row="sockcore EventTCPServer", baseline="uvloop Protocol", at_most=1.3),
    ),
)

UDP = Work(
    key="udp",
    title="UDP: 8 sockets, one datagram under way on each",
    probe=probes.Sending,
    size=5000,
    contenders=(
        stdlib("UDPServer", *DATAGRAM),
        stdlib("ThreadingUDPServer", *DATAGRAM),
        ours("UDPServer", *DATAGRAM),
        ours("ThreadingUDPServer", *DATAGRAM),
        ours("PoolUDPServer", *DATAGRAM),
        Contender("asyncio DatagramProtocol", ("asyncio", "udp")),
        Contender("uvloop DatagramProtocol", ("uvloop", "udp")),
        Contender("gevent DatagramServer", ("gevent", "udp")),
        Contender("twisted DatagramProtocol", ("twisted", "udp")),
        Contender("C epoll", ("udp", "0")),
    ),
    targets=(
        Target(row="sockcore UDPServer", baseline="stdlib UDPServer", at_least=1.5),
        Target(row="sockcore PoolUDPServer", baseline="stdlib ThreadingUDPServer", at_least=6.0),
    ),
)

FORK = Work(
    key="fork",
    title="Fork churn, from a process as large as the app",
    probe=probes.Churning,
    size=200,
    contenders=(
        stdlib("ForkingTCPServer", "--app", *BACKLOG),
        Contender("stdlib ForkingTCPServer, small", ("stdlib", "ForkingTCPServer", *BACKLOG)),
        ours("ForkingTCPServer", "--app", *BACKLOG),
        Contender("sockcore ForkingTCPServer, small", ("sockcore", "ForkingTCPServer", *BACKLOG)),
        ours("ForkingTCPServer", "--app", *BACKLOG, run="hosted"),
    ),
    targets=(
        Target(
            row="sockcore ForkingTCPServer, hosted",
            baseline="stdlib ForkingTCPServer",
            at_least=3.0,
        ),
    ),
)

IDLE = Work(
    key="idle",
    title="Idle: 10,000 TCP connections that say nothing",
    probe=probes.Idling,
    size=10_000,
    contenders=(
        stdlib("ThreadingTCPServer", *BACKLOG),
        ours("ThreadingTCPServer", *BACKLOG),
        ours("PoolTCPServer", *BACKLOG),
        ours("EventTCPServer", *MESSAGE, *BACKLOG),
        *STREAM_PEERS[:3],
    ),
    targets=(
        Target(row="sockcore EventTCPServer", figure="rss_mib", at_most=60),
        Target(row="sockcore ThreadingTCPServer", figure="rss_mib", at_most=400),
    ),
    alone=True,
    max_rounds=1,
)

BURST = Work(
    key="burst",
    title="Burst: 200 connects at once to a server that stands still for 200 ms",
    probe=probes.Bursting,
    size=200,
    contenders=(
        stdlib("ThreadingTCPServer"),
        ours("TCPServer"),
        ours("ThreadingTCPServer"),
        ours("PoolTCPServer"),
        ours("EventTCPServer", *MESSAGE),
    ),
    targets=tuple(
        Target(row=f"sockcore {name}", figure="slowest_s", at_most=1.0)
        for name in ("TCPServer", "ThreadingTCPServer", "PoolTCPServer", "EventTCPServer")
    ),
    max_rounds=2,
)

WORKS = (CHURN, PERSISTENT, UDP, FORK, IDLE, BURST)
