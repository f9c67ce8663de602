"""What the panel calls things: a server's address, the line to reach it with, its alarms.

Knows the domain; knows nothing of HTML.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.domain import (
    Capture,
    Count,
    DamagedFile,
    InetAddress,
    RequestSummary,
    ServerStatus,
)
from app.log_facts import Gap, LogStats
from app.services.retention import Kept
from app.web.filters import duration, exact, size

_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}

OUTCOME_WORDS: Mapping[str, str] = {
    "idle": "idle limit",
    "unread": "send limit",
    "handshake": "no TLS",
    "suppressed": "not answered",
}
CLOSED_BY_WORDS: Mapping[str, str] = {
    "client": "the client",
    "handler": "the handler",
    "panel": "the panel",
    "idle": "the idle limit",
    "unread": "the send limit",
    "stop": "the stop",
}


def address(status: ServerStatus) -> str:
    """The bound address, or while there is none the one that is asked for."""
    bound = status.server_address
    if isinstance(bound, str):
        return bound
    if bound is not None:
        return host_and_port(*bound)
    wanted = status.spec.address
    if isinstance(wanted, InetAddress):
        return host_and_port(wanted.host, wanted.port)
    return wanted.name


def short_address(status: ServerStatus) -> str:
    """The same in a list: of a Unix socket its file name alone."""
    wanted = status.spec.address
    return address(status) if isinstance(wanted, InetAddress) else wanted.name


def host_and_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def origin(host: str, port: int) -> str:
    """Where the panel itself is reached from this machine."""
    return f"http://{host_and_port(_ANY_HOST.get(host, host), port)}"


def descriptor(status: ServerStatus) -> str:
    return "no descriptor" if status.fileno is None else f"fd {status.fileno}"


def command(status: ServerStatus) -> str | None:
    """The line that talks to it from a shell, by `nc` or `openssl`; None while it does not
    listen."""
    bound = status.server_address
    if bound is None or status.state != "running":
        return None
    if status.spec.tls is not None:
        return f"openssl s_client -quiet {_openssl_address(bound)}"
    if isinstance(bound, str):
        return _nc_local(status.spec.transport, bound)
    host, port = bound
    flag = "-u " if status.spec.transport == "udp" else ""
    return f"nc {flag}{_ANY_HOST.get(host, host)} {port}"


def again(row: RequestSummary) -> str | None:
    """The command that sends something to where a request was sent; None if nobody knows where."""
    if row.transport in ("unix", "unix-datagram"):
        return _nc_local(row.transport, row.address) if row.address.startswith("/") else None
    host, colon, port = row.address.rpartition(":")
    if row.transport not in ("tcp", "udp") or not colon:
        return None
    host = host.removeprefix("[").removesuffix("]")
    flag = "-u -w1" if row.transport == "udp" else "-N"
    return f"nc {flag} {shlex.quote(_ANY_HOST.get(host, host))} {port}"


def _nc_local(transport: str, path: str) -> str:
    return f"nc {'-uU' if transport == 'unix-datagram' else '-U'} {shlex.quote(path)}"


def _openssl_address(bound: tuple[str, int] | str) -> str:
    if isinstance(bound, str):
        return f"-unix {shlex.quote(bound)}"
    host, port = bound
    return f"-connect {host_and_port(_ANY_HOST.get(host, host), port)}"


def kept(status: ServerStatus) -> str | None:
    """What is kept of the bytes that cross; None for what is by default."""
    capture = status.spec.capture
    if capture == Capture():
        return None
    if not capture.kept_bytes:
        words = "sizes only"
    else:
        words = f"the first {exact(capture.kept_bytes)} bytes each way"
    masks = len(capture.mask)
    return f"{words}, {masks} mask{'' if masks == 1 else 's'}" if masks else words


def outcome(word: str) -> str:
    return OUTCOME_WORDS.get(word, word)


def closed_by(word: str | None) -> str:
    return "—" if word is None else CLOSED_BY_WORDS.get(word, word)


#: Where damaged files are listed.
_HELD = "/requests/retention#damaged"


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that wants a person; `href` is the way to it."""

    level: Literal["red", "amber"]
    title: str
    text: str
    href: str | None = None


def alarms(
    servers: Iterable[ServerStatus], log: LogStats, damaged: Iterable[DamagedFile]
) -> list[Alarm]:
    """What is wrong now, the worst first."""
    found: list[Alarm] = []
    failed = [status for status in servers if status.state == "failed"]
    if failed:
        names = ", ".join(status.spec.name for status in failed)
        title = "1 server failed." if len(failed) == 1 else f"{len(failed)} servers failed."
        cause = (failed[0].error or "").partition(". ")[0]
        text = f"{names}: {cause.rstrip('.')}." if len(failed) == 1 and cause else names
        found.append(Alarm("red", title, text, f"/servers#server-{failed[0].spec.name}"))
    found += log_alarms(log, damaged)
    return found


def log_alarms(log: LogStats, damaged: Iterable[DamagedFile]) -> list[Alarm]:
    """What is wrong with the request log, the worst first."""
    found: list[Alarm] = []
    if log.state == "failed":
        text = log.error or "Requests are answered, but no longer written down."
        found.append(Alarm("red", "The request log cannot be written.", text))
    for file in damaged:
        if not file.acknowledged:
            found.append(
                Alarm("red", "A day of the request log was damaged.", _aside(file), _HELD)
            )
    if log.dropped:
        rows = "1 request is" if log.dropped == 1 else f"{exact(log.dropped)} requests are"
        found.append(
            Alarm(
                "amber",
                "The request log has gaps.",
                f"{rows} missing. The log shows where.",
                "/requests",
            )
        )
    return found


def _aside(file: DamagedFile) -> str:
    return (
        f"It was moved to {file.path}, and its requests are not shown. What is whole of it "
        f'can be had by: sqlite3 {file.name} ".recover" | sqlite3 saved.sqlite3'
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """The five figures over all servers; counts are of their present runs."""

    running: int
    servers: int
    connections: int
    requests: int
    errors: int
    log: LogStats


def totals(servers: list[ServerStatus], log: LogStats) -> Totals:
    return Totals(
        running=sum(status.state == "running" for status in servers),
        servers=len(servers),
        connections=sum(status.connections for status in servers),
        requests=sum(status.requests_total for status in servers),
        errors=sum(status.errors_total for status in servers),
        log=log,
    )


_GAP_CAUSES: Mapping[str, str] = {
    "dropped": "The queue of the log was full.",
    "no_room": "The disk had no room for the log.",
    "failed": "The log could not be written.",
}


def gap(gap: Gap) -> str:
    """What is missing in the log at one place, and why."""
    lasted = duration(abs(gap.ended_us - gap.began_us))
    if gap.reason == "clock_step":
        way = "back" if gap.ended_us < gap.began_us else "forward"
        return f"The clock was set {way} by {lasted}. Nothing is missing."
    if gap.reason == "stalled":
        return f"Sockpit stood still for {lasted} and answered nothing; datagrams may be missing."
    if gap.reason == "unclean":
        return "Sockpit ended before it had written everything; the last requests may be missing."
    rows = "1 request is" if gap.missing == 1 else f"{exact(gap.missing or 0)} requests are"
    return f"{rows} missing. {_GAP_CAUSES[gap.reason]}"


def requests(rows: int) -> str:
    return "1 request" if rows == 1 else f"{exact(rows)} requests"


#: Servers that are named where requests of many are told of.
_MOST_NAMED = 8


def largest(servers: Mapping[str, int]) -> list[tuple[str, int]]:
    """Those with the most requests, and how many, the first one first."""
    most = sorted(servers.items(), key=lambda item: (-item[1], item[0]))
    return most[:_MOST_NAMED]


def found(counted: Count) -> str:
    """How many requests a search finds."""
    if counted.exact:
        return requests(counted.rows)
    if not counted.rows:
        return "counting took too long"
    return f"{exact(counted.rows)}+ requests"


#: Milliseconds that the oldest request waits to be written from which on the log is behind.
_BEHIND_MS = 1000


def behind(log: LogStats) -> int:
    """How many requests are over, but so long not in the log that its pages lack them."""
    return log.pending if log.writer_lag_ms >= _BEHIND_MS else 0


def forecast(kept: Kept) -> str:
    """When the limit of the log's size is reached, at the rate of the last day."""
    if not kept.rules.max_bytes:
        return "There is no limit of its size."
    rate = f"At the rate of the last 24 h, {size(kept.bytes_per_day)} a day,"
    if kept.days_left is None:
        return f"{rate} the limit is not reached soon."
    if kept.days_left < 1:
        return f"{rate} the limit is reached within a day; then the oldest requests go."
    days = round(kept.days_left)
    return f"{rate} the limit is reached in about {days} day{'' if days == 1 else 's'}."


FILTERS: Mapping[str, Callable[..., object]] = {
    "address": address,
    "again": again,
    "closed_by": closed_by,
    "descriptor": descriptor,
    "kept": kept,
    "command": command,
    "forecast": forecast,
    "found": found,
    "gap": gap,
    "largest": largest,
    "outcome": outcome,
    "requests": requests,
    "short_address": short_address,
}
