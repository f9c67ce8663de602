"""One line of the table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`most` or `least`: what is to be reached, in the unit of `value`. `missing`: why there is
    no value."""

    work: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    missing: str | None = None

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"<= {self.most:,g}"
        return f">= {self.least:,g}" if self.least is not None else ""

    @property
    def verdict(self) -> str:
        if self.missing is not None:
            return f"not measured: {self.missing}"
        if self.most is None and self.least is None:
            return ""
        met = self.value <= self.most if self.most is not None else self.value >= (self.least or 0)
        return "met" if met else "NOT MET"

    @property
    def line(self) -> str:
        """For a terminal."""
        value = "" if self.missing is not None else f"{self.value:,.1f}"
        return f"{self.work:52}{value:>12} {self.unit:10} {self.target:>10} {self.verdict}"


def percentile(waits: list[float], percent: int) -> float:
    """The wait that so many per cent are not above."""
    ordered = sorted(waits)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
