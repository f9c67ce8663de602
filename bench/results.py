"""What was measured, as plain data: to JSON and back, medians, and targets met or not."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.works import Target

Figures = dict[str, float]


@dataclass(slots=True)
class Row:
    """One contender's rounds. `missing`: why there are none."""

    contender: str
    rounds: list[Figures] = field(default_factory=list)
    missing: str | None = None

    @property
    def median(self) -> Figures:
        names = self.rounds[0] if self.rounds else ()
        return {name: _middle(name)(r[name] for r in self.rounds) for name in names}


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and what came of it; `measured` is None where it could not be."""

    row: str
    figure: str
    baseline: str | None
    at_least: float | None
    at_most: float | None
    measured: float | None
    rate: float | None  # of requests per second, against the same baseline
    whole: bool = True  # all that was asked was answered

    @property
    def met(self) -> bool:
        if self.measured is None or not self.whole:
            return False
        if self.at_least is not None:
            return self.measured >= self.at_least
        return self.at_most is not None and self.measured <= self.at_most


@dataclass(slots=True)
class Result:
    """One work."""

    key: str
    title: str
    size: int
    rows: list[Row]
    judged: list[Judged]
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """All of it. `taken`: UTC."""

    taken: str
    machine: dict[str, str]
    results: list[Result]


def _middle(name: str) -> Callable[[Iterable[float]], float]:
    """Of the rounds. The clock of the kernel's share is too coarse for a median."""
    return statistics.fmean if name == "kernel" else statistics.median


def judge(target: Target, rows: list[Row]) -> Judged:
    """The median over the rounds of the ratio of neighbours, so that a noisy moment hits both."""
    by_name = {row.contender: row for row in rows}
    row, measured, rate = by_name.get(target.row), None, None
    if target.baseline is None:
        measured = row.median.get(target.figure) if row is not None else None
    else:
        other = by_name.get(target.baseline)
        if row is not None and other is not None and row.rounds and other.rounds:
            measured = _ratio(row, other, target.figure)
            if target.at_least is not None:
                measured = 1 / measured
            rate = _ratio(row, other, "rate")
    whole = row is not None and row.median.get("answered", 1.0) == 1.0
    return Judged(**asdict(target), measured=measured, rate=rate, whole=whole)


def _ratio(row: Row, other: Row, figure: str) -> float:
    pairs = zip(row.rounds, other.rounds, strict=True)
    return statistics.median(ours[figure] / theirs[figure] for ours, theirs in pairs)


def write(run: Run, path: Path) -> None:
    plain = asdict(run)
    for result, made in zip(run.results, plain["results"], strict=True):
        for row, into in zip(result.rows, made["rows"], strict=True):
            into["median"] = row.median
        for judged, into in zip(result.judged, made["judged"], strict=True):
            into["met"] = judged.met
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(plain), indent=1) + "\n", encoding="utf-8")


def _rounded(value: Any) -> Any:
    """Floats with the digits that mean something."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def read(path: Path) -> Run:
    plain = json.loads(path.read_text(encoding="utf-8"))
    for made in plain["results"]:
        for row in made["rows"]:
            del row["median"]
        for judged in made["judged"]:
            del judged["met"]
        made["rows"] = [Row(**row) for row in made["rows"]]
        made["judged"] = [Judged(**judged) for judged in made["judged"]]
    plain["results"] = [Result(**made) for made in plain["results"]]
    return Run(**plain)
