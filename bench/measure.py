"""Runs a work: its contenders side by side, round after round (A B A B ...)."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from bench.machine import build_floor
from bench.probes import Probe
from bench.process import NotAvailable, ServerProcess, python_server
from bench.results import Result, Row, judge
from bench.works import Contender, Work

FLOOR_SOURCE = Path(__file__).parent / "servers" / "floor.c"

#: Descriptors that a process needs besides its connections.
_OTHER_DESCRIPTORS = 200


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of it. `families`: of the contenders that take part; `floor`: the C program."""

    rounds: int
    scale: float
    families: frozenset[str]
    server_core: int
    descriptors: int
    floor: Path


def measure(work: Work, plan: Plan) -> Result:
    """Raises: whatever a server does wrong; a contender that is not there is a row saying so."""
    contenders = [one for one in work.contenders if one.family in plan.families]
    rows = [Row(one.name) for one in contenders]
    notes: list[str] = []
    size = max(1, round(work.size * plan.scale))
    if work.alone and size > plan.descriptors - _OTHER_DESCRIPTORS:
        size = plan.descriptors - _OTHER_DESCRIPTORS
        notes.append(f"{size} connections: the limit of descriptors allows no more")
    rounds = min(plan.rounds, work.max_rounds)
    pairs = list(zip(contenders, rows, strict=True))
    for group in [[pair] for pair in pairs] if work.alone else [pairs]:
        with ExitStack() as stack:
            probes = [_start(stack, work, plan, size, *pair) for pair in group]
            for _ in range(rounds):
                for (_, row), probe in zip(group, probes, strict=True):
                    _round(row, probe, size)
    judged = [judge(target, rows) for target in work.targets]
    return Result(work.key, work.title, size, rows, judged, notes)


def _start(
    stack: ExitStack, work: Work, plan: Plan, size: int, one: Contender, row: Row
) -> Probe | None:
    try:
        server = stack.enter_context(ServerProcess(_command(one, plan), plan.server_core))
    except NotAvailable as missing:
        row.missing = str(missing)
        return None
    with _named(one.name):
        return stack.enter_context(closing(work.probe(server, size)))


def _command(one: Contender, plan: Plan) -> list[str]:
    if one.family != "C":
        return python_server(*one.arguments)
    try:
        build_floor(FLOOR_SOURCE, plan.floor)
    except NotImplementedError as missing:
        raise NotAvailable(str(missing)) from None
    return [str(plan.floor), *one.arguments]


def _round(row: Row, probe: Probe | None, size: int) -> None:
    if probe is not None:
        with _named(row.contender):
            row.rounds.append(probe.round(size))


class _named:
    """Whatever goes wrong in the body is told with the contender's name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            error.add_note(f"while measuring {self._name}")
