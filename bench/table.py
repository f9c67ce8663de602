"""The results as text: a table a work, targets beneath it."""

from __future__ import annotations

from dataclasses import dataclass

from bench.results import Judged, Result, Row


@dataclass(frozen=True, slots=True)
class Column:
    """How one figure is shown."""

    title: str
    form: str  # of str.format
    factor: float = 1.0

    def text(self, value: float) -> str:
        return self.form.format(value * self.factor)


COLUMNS = {
    "cpu_us": Column("CPU µs/request", "{:,.1f}"),
    "kernel": Column("of it the kernel", "{:.0f} %", 100),
    "rate": Column("requests/s", "{:,.0f}"),
    "p50_us": Column("p50 ms", "{:.2f}", 1e-3),
    "p99_us": Column("p99 ms", "{:.2f}", 1e-3),
    "busy": Column("server busy", "{:.0f} %", 100),
    "rss_mib": Column("MiB over base", "{:,.1f}"),
    "held": Column("connections held", "{:,.0f}"),
    "answered": Column("answered", "{:.0f} %", 100),
    "slowest_s": Column("slowest answer, s", "{:.3f}"),
}
#: What a target's figure is called, and its unit.
FIGURES = {"cpu_us": ("CPU", "x"), "rss_mib": ("memory", " MiB"), "slowest_s": ("slowest", " s")}


def cells(result: Result) -> list[list[str]]:
    """A line of titles, then one a contender; one that is missing has its reason in the second."""
    names = next((list(row.rounds[0]) for row in result.rows if row.rounds), [])
    lines = [["", *(COLUMNS[name].title for name in names)]]
    for row in result.rows:
        lines.append([row.contender, *_figures(row, names)])
    return lines


def _figures(row: Row, names: list[str]) -> list[str]:
    if row.missing is not None:
        return [f"not available: {row.missing}"]
    median = row.median
    return [COLUMNS[name].text(median[name]) for name in names]


def text(result: Result) -> str:
    """For a terminal."""
    table = cells(result)
    full = [line for line in table if len(line) == len(table[0])]
    widths = [max(len(line[i]) for line in full) for i in range(len(table[0]))]
    widths[0] = max(len(line[0]) for line in table)
    out = [result.title]
    for line in table:
        if len(line) == 2 != len(widths):
            out.append(f"  {line[0]:{widths[0]}}  {line[1]}")
            continue
        right = (f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        out.append("  ".join([f"  {line[0]:{widths[0]}}", *right]))
    out += [f"  note: {note}" for note in result.notes]
    out += [f"  {verdict(judged)}" for judged in result.judged]
    return "\n".join(out)


def verdict(judged: Judged) -> str:
    """`name: CPU target 2.5x, measured 2.7x: met`."""
    what, unit = FIGURES[judged.figure]
    sign, bound = ("", judged.at_least) if judged.at_least is not None else ("<= ", judged.at_most)
    against = f" against {judged.baseline}" if judged.baseline else ""
    head = f"{judged.row}{against}: {what} target {sign}{bound:g}{unit}"
    if judged.measured is None:
        return f"{head}, not measured"
    told = "met" if judged.met else "NOT MET"
    rate = f" (requests/s {judged.rate:.2f}x)" if judged.rate is not None else ""
    return f"{head}, measured {judged.measured:.2f}{unit}: {told}{rate}"
