"""The results as one SVG: a horizontal bar a contender, light and dark, without a script."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from bench.results import Result, Run
from bench.table import COLUMNS

#: Work -> the figure that is drawn of it.
DRAWN = {"churn": "cpu_us", "persistent": "cpu_us", "udp": "cpu_us", "fork": "cpu_us"}
DRAWN |= {"idle": "rss_mib", "burst": "slowest_s"}

WIDTH, LEFT, RIGHT = 760, 250, 130  # of the whole; beside the bars, for names and for values
ROW, BAR, HEAD, GAP = 20, 12, 44, 18

STYLE = """
text{font:12px system-ui,sans-serif;fill:#24292f}
.title{font-weight:600;font-size:13px}.unit,.name{fill:#57606a}
.name.sockcore{fill:#24292f;font-weight:600}
rect{fill:#afb8c1}rect.stdlib{fill:#6e7781}rect.sockcore{fill:#0969da}
@media(prefers-color-scheme:dark){
text,.name.sockcore{fill:#e6edf3}.unit,.name{fill:#9198a1}
rect{fill:#484f58}rect.stdlib{fill:#848d97}rect.sockcore{fill:#4493f8}
}"""


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    label: str

    @property
    def family(self) -> str:
        return self.name.split()[0]


def svg(run: Run) -> str:
    """Shorter bars are better, in each part."""
    parts: list[str] = []
    y = GAP
    for result in run.results:
        bars = _bars(result)
        if bars:
            parts += _part(result, bars, y)
            y += HEAD + ROW * len(bars) + GAP
    words = "sockcore beside the standard library and its peers; shorter is better"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}"'
            f' height="{y}" role="img" aria-labelledby="what">',
            f'<title id="what">{words}</title>',
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _bars(result: Result) -> list[Bar]:
    """Of those that were measured, the best first."""
    figure = DRAWN[result.key]
    bars = []
    for row in result.rows:
        median = row.median
        if median:
            label = COLUMNS[figure].text(median[figure])
            share = median.get("answered", 1.0)
            more = "" if share == 1.0 else f", {share:.0%} answered"
            bars.append(Bar(row.contender, median[figure], label + more))
    return sorted(bars, key=lambda bar: bar.value)


def _part(result: Result, bars: list[Bar], y: int) -> list[str]:
    unit = COLUMNS[DRAWN[result.key]].title
    most = max(bar.value for bar in bars) or 1.0
    parts = [
        f'<text class="title" x="8" y="{y + 12}">{escape(result.title)}</text>',
        f'<text class="unit" x="8" y="{y + 29}">{escape(unit)}, shorter is better</text>',
    ]
    for number, bar in enumerate(bars):
        top = y + HEAD + ROW * number
        # One that needs next to nothing is still seen.
        width = max(1.0, bar.value / most * (WIDTH - LEFT - RIGHT))
        parts += [
            f'<text class="name {bar.family}" x="{LEFT - 8}" y="{top + 10}"'
            f' text-anchor="end">{escape(bar.name)}</text>',
            f'<rect class="{bar.family}" x="{LEFT}" y="{top}" width="{width:.1f}"'
            f' height="{BAR}" rx="2"/>',
            f'<text x="{LEFT + width + 6:.1f}" y="{top + 10}">{escape(bar.label)}</text>',
        ]
    return parts
