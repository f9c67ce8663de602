"""Numbers, times and bytes as text for people. Pure functions; knows nothing of HTML.

Three significant digits and a unit on every number; the exact one belongs in a `title`.
Bytes from peers become text here and nowhere before.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from app.times import iso

#: What stands for a byte or character that has no shape of its own.
UNPRINTABLE = "·"
LINE_END = "↵"

#: From here on counts are abbreviated; below, every one of them is readable as it is.
EXACT_COUNTS = 100_000

_DAY_S = 86_400


def significant(value: float) -> str:
    """Three significant digits: 1.23, 12.3, 123. For 0 <= value < 999.5."""
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _scaled(value: float, units: tuple[str, ...], step: int = 1000) -> str:
    for unit in units[:-1]:
        if value < step * 0.9995:
            return f"{significant(value)}{unit}"
        value /= step
    return f"{significant(value)}{units[-1]}"


def size(count: int) -> str:
    """A number of bytes: `0 B`, `999 B`, `1.20 KB`, `38.4 MB`. Thousands, not 1024s."""
    if count < 1000:
        return f"{count} B"
    return _scaled(count / 1000, (" KB", " MB", " GB", " TB"))


def count(value: int) -> str:
    """`1,904`; from 100,000 on `123k`, `1.20M`."""
    if value < EXACT_COUNTS:
        return exact(value)
    return _scaled(value / 1000, ("k", "M", "G"))


def exact(value: int) -> str:
    return f"{value:,}"


def duration(us: int) -> str:
    """A span of microseconds: `120 µs`, `4.56 ms`, `2.34 s`; from a minute on as `span`."""
    if us < 1000:
        return f"{us} µs"
    if us < 59_950_000:
        return _scaled(us / 1000, (" ms", " s"))
    return span(us / 1_000_000)


def span(seconds: float) -> str:
    """A span as a clock would show it: `00:00:41`, `06:12:09`, `4 d 02:11`."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, _DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, second = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02}:{minutes:02}"
    return f"{hours:02}:{minutes:02}:{second:02}"


def idle(seconds: float) -> str:
    """How long nothing came: `0.4 s`, `39 s`, then as `span`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    return f"{seconds:.0f} s" if seconds < 59.5 else span(seconds)


def seconds_since(us: int) -> float:
    return datetime.now(UTC).timestamp() - us / 1_000_000


def up(us: int) -> str:
    """The span since a moment."""
    return span(seconds_since(us))


def ago(us: int) -> str:
    """How long ago a moment was, roughly; `app.js` says the same as time goes on."""
    seconds = seconds_since(us)
    for limit, unit_s, unit in ((60, 1, "s"), (3600, 60, "min"), (_DAY_S, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit_s)} {unit} ago" if seconds >= 1 else "now"
    return f"{int(seconds // _DAY_S)} d ago"


def _moment(us: int) -> datetime:
    second, rest = divmod(us, 1_000_000)
    return datetime.fromtimestamp(second, UTC).replace(microsecond=rest)


def day(us: int) -> str:
    return f"{_moment(us):%Y-%m-%d}"


def clock(us: int) -> str:
    """`HH:MM:SS.mmm uuu`, UTC."""
    moment = _moment(us)
    return f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03} {moment.microsecond % 1000:03}"


def second(us: int) -> str:
    """`HH:MM:SS`, UTC."""
    return f"{_moment(us):%H:%M:%S}"


def hexdump(data: bytes) -> str:
    """`78 78 11 0D`."""
    return data.hex(" ").upper()


def ascii_text(data: bytes) -> str:
    """One character a byte, so that it lines up with the hex."""
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else UNPRINTABLE for byte in data)


def printable(data: bytes) -> str:
    """As readable text in one line: UTF-8 where it is, line ends as a sign, the rest as dots.

    What hides or turns text (control, zero-width and direction characters) is a dot too.
    """
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=False)
    text = text.replace("\r\n", LINE_END).replace("\n", LINE_END)
    return "".join(c if c.isprintable() else UNPRINTABLE for c in text)


def is_text(data: bytes) -> bool:
    """Whether `printable` shows most of it."""
    text = printable(data)
    hidden = text.count(UNPRINTABLE) + text.count("\N{REPLACEMENT CHARACTER}")
    return hidden * 4 <= len(text)


def export_href(line: str, format_: str) -> str:
    """The requests that a search line finds, as a file."""
    query = f"&q={quote(line, safe='')}" if line else ""
    return f"/api/v1/requests/export?format={format_}{query}"


def requests_href(line: str, **cursor: str) -> str:
    """The page of the log that a search line finds, from a cursor on."""
    parameters = {"q": line, **cursor} if line else cursor
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return f"/requests?{query}" if query else "/requests"


FILTERS: Mapping[str, Callable[..., object]] = {
    "ago": ago,
    "ascii_text": ascii_text,
    "clock": clock,
    "count": count,
    "day": day,
    "duration": duration,
    "exact": exact,
    "export_href": export_href,
    "hexdump": hexdump,
    "idle": idle,
    "is_text": is_text,
    "iso": iso,
    "printable": printable,
    "requests_href": requests_href,
    "second": second,
    "size": size,
    "span": span,
    "up": up,
}
