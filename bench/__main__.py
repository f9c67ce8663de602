"""`python -m bench`: sockcore beside the stdlib's socketserver and its peers, in one run.

Servers on the first core, the load on the last; rounds alternate between the contenders, and
a ratio is the median of the ratios of neighbours, so that a noisy moment hits both.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench import machine, plot, publish
from bench.loads import WrongAnswer
from bench.measure import Plan, measure
from bench.results import Run, read, write
from bench.table import text
from bench.works import WORKS

BUILD = Path("build")
FAMILIES = ("stdlib", "sockcore", "asyncio", "uvloop", "gevent", "twisted", "C")


def names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """An argument type: comma-separated, each one known."""

    def chosen(given: str) -> tuple[str, ...]:
        wanted = tuple(given.split(","))
        unknown = set(wanted) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not of {known}")
        return wanted

    return chosen


def options() -> argparse.Namespace:
    works = tuple(work.key for work in WORKS)
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=names(works), default=works, help=f"of {','.join(works)}")
    parser.add_argument(
        "--among", type=names(FAMILIES), default=FAMILIES, help=f"of {','.join(FAMILIES)}"
    )
    rounds = int(os.environ.get("ROUNDS", "7"))
    parser.add_argument("--rounds", type=int, default=rounds, help="a work; else ROUNDS, else 7")
    parser.add_argument("--scale", type=float, default=1.0, help="of requests and connections")
    parser.add_argument("--output", type=Path, default=BUILD / "bench.json", help="JSON")
    parser.add_argument(
        "--publish", action="store_true", help="measure nothing: that JSON into docs/"
    )
    return parser.parse_args()


def run(chosen: argparse.Namespace) -> Run:
    server_core, load_core = machine.cores()
    described = machine.describe()
    os.sched_setaffinity(0, {load_core})
    plan = Plan(
        rounds=chosen.rounds,
        scale=chosen.scale,
        families=frozenset(chosen.among),
        server_core=server_core,
        descriptors=machine.raise_descriptor_limit(),
        floor=BUILD / "bench-floor",
    )
    print(", ".join(f"{word} {what}" for word, what in described.items()))
    if server_core == load_core:
        print("note: one core for both the server and the load: waits mean little")
    done = Run(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()), described, [])
    for work in WORKS:
        if work.key in chosen.only:
            done.results.append(measure(work, plan))
            print(f"\n{text(done.results[-1])}", flush=True)
    return done


def main() -> int:
    chosen = options()
    try:
        if chosen.publish:
            publish.publish(read(chosen.output))
            return 0
        done = run(chosen)
    except (WrongAnswer, publish.Unfit) as wrong:
        notes = "".join(f", {note}" for note in getattr(wrong, "__notes__", ()))
        print(f"{wrong}{notes}", file=sys.stderr)
        return 1
    write(done, chosen.output)
    chosen.output.with_suffix(".svg").write_text(plot.svg(done), encoding="utf-8")
    print(f"\nwritten to {chosen.output} and {chosen.output.with_suffix('.svg')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
