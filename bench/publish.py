"""The last run into `docs/performance.md`, between its marks, and `docs/performance.svg`.

What stands outside the marks is written by hand and stays.
"""

from __future__ import annotations

from pathlib import Path

from bench import plot
from bench.results import Judged, Result, Run
from bench.table import FIGURES, cells
from bench.works import WORKS

DOCS = Path(__file__).resolve().parent.parent / "docs"
BEGIN = "<!-- measured: what follows is written by `python -m bench --publish` -->"
END = "<!-- end of what is measured -->"


class Unfit(Exception):
    """This run cannot be published; the text says why."""


def publish(run: Run, docs: Path = DOCS) -> None:
    """Raises: Unfit when the run is not whole or the page has no place for it."""
    lacking = [work.key for work in WORKS if work.key not in {r.key for r in run.results}]
    if lacking:
        raise Unfit(f"the last run has no {', '.join(lacking)}: run all of it first")
    page = docs / "performance.md"
    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise Unfit(f"{page.name} has not the two marks between which the figures stand")
    page.write_text(f"{before}{BEGIN}\n{measured(run)}\n{END}{after}", encoding="utf-8")
    (docs / "performance.svg").write_text(plot.svg(run), encoding="utf-8")


def measured(run: Run) -> str:
    """All that is generated of the page."""
    machine = ", ".join(f"{word} {what}" for word, what in run.machine.items())
    judged = [one for result in run.results for one in result.judged]
    met = sum(one.met for one in judged)
    return "\n".join(
        [
            f"\nTaken {run.taken}. {machine}.",
            "\n![CPU, memory and waits of sockcore, the standard library and its peers]"
            "(performance.svg)",
            f"\n### Targets: {met} of {len(judged)} met\n",
            *_targets(run.results),
            *(line for result in run.results for line in _section(result)),
        ]
    )


def _targets(results: list[Result]) -> list[str]:
    lines = ["| work | server | against | target | measured | requests/s | |"]
    lines.append("|---|---|---|---:|---:|---:|---|")
    for result in results:
        lines += [f"| {result.key} | {_target(one)} |" for one in result.judged]
    return lines


def _target(one: Judged) -> str:
    what, unit = FIGURES[one.figure]
    least = one.at_least is not None
    bound = f"{what} {'≥' if least else '≤'} {one.at_least if least else one.at_most:g}{unit}"
    got = "not measured" if one.measured is None else f"{one.measured:.2f}{unit}"
    rate = "" if one.rate is None else f"{one.rate:.2f}x"
    told = "met" if one.met else "**not met**"
    return " | ".join([one.row, one.baseline or "", bound, got, rate, told])


def _section(result: Result) -> list[str]:
    table = cells(result)
    width = len(table[0])
    rounds = max((len(row.rounds) for row in result.rows), default=0)
    unit = "connections" if result.key in ("idle", "burst") else "requests"
    lines = [f"\n### {result.title}\n", f"| | {' | '.join(table[0][1:])} |"]
    lines.append("|---|" + "---:|" * (width - 1))
    for line in table[1:]:
        lines.append(f"| {' | '.join(line + [''] * (width - len(line)))} |")
    told = f"{rounds} rounds" if rounds != 1 else "One round"
    lines.append(f"\n{told} of {result.size:,} {unit}{'; medians' if rounds != 1 else ''}.")
    return [*lines, *(f"\n{note}." for note in result.notes)]
