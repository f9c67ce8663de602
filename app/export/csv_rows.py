"""The request log as CSV (RFC 4180): a row a request, for a spreadsheet.

Knows spreadsheets: what they take for a formula, and how much fits in a cell. It is for eyes, so
payloads are text, escaped and perhaps cut; `jsonl.py` is exact. Knows nothing of files or HTTP.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Final

from app.domain import Payload, RequestDetail
from app.log_facts import Gap
from app.times import iso

COLUMNS: Final = (
    *("id", "server", "transport", "address", "peer", "connection_id"),
    *("started_at", "duration_us", "outcome", "closed_by", "bytes_in", "bytes_out", "truncated"),
    *("received_sha256", "sent_sha256", "error", "received", "sent"),
)

#: Excel holds 32,767 UTF-16 units in a cell and drops the rest without a word: room for the mark.
CELL_LIMIT: Final = 32_000
CUT_MARK: Final = " …[cut]"

# What makes a spreadsheet calculate a cell, the wide forms too: OWASP, "CSV Injection".
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")

# What would end a line, or rearrange it: controls, line and paragraph separators, bidi controls.
# And bytes that are no UTF-8, as "surrogateescape" leaves them; "backslashreplace" is slow.
_ESCAPES: Final = {
    code: chr(code).encode("unicode_escape").decode()
    for code in (
        *(*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029),
        *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
} | {0xDC00 + byte: f"\\x{byte:02x}" for byte in range(0x80, 0x100)}

Cell = str | int


class _Line:
    """A file for csv.writer: what is written to it comes back from `writerow`."""

    def write(self, text: str) -> str:
        return text


def encode(details: Iterable[RequestDetail | Gap]) -> Iterator[bytes]:
    """The header, then a row for each of `details`: a gap's has the outcome `gap`."""
    writer = csv.writer(_Line(), lineterminator="\r\n")
    yield _line(writer.writerow(COLUMNS))
    for detail in details:
        cells = _gap_cells(detail) if isinstance(detail, Gap) else _cells(detail)
        yield _line(writer.writerow(cells))


def text_cell(text: str, whole: bool = True) -> str:
    """`text` on one line, never a formula, cut to what a cell holds; not `whole`: has the mark."""
    escaped = text[: CELL_LIMIT + 1].translate(_ESCAPES)  # no shorter than what it is made from
    escaped = escaped.encode("utf-8", "backslashreplace").decode()
    if len(escaped) > CELL_LIMIT // 2:  # a character has two units at most
        units = escaped.encode("utf-16-le")
        if len(units) > CELL_LIMIT * 2:
            escaped, whole = units[: CELL_LIMIT * 2].decode("utf-16-le", "ignore"), False
    if text.startswith(_FORMULA):
        escaped = f"'{escaped}"
    return escaped if whole else escaped + CUT_MARK


def _line(line: str) -> bytes:
    return line.encode()


def _cells(detail: RequestDetail) -> tuple[Cell, ...]:
    row = detail.summary
    return (
        text_cell(row.id),
        text_cell(row.server),
        text_cell(row.transport),
        text_cell(row.address),
        text_cell(row.peer),
        row.connection_id,
        iso(row.started_us),
        row.duration_us,
        text_cell(row.outcome),
        text_cell(row.closed_by or ""),
        row.bytes_in,
        row.bytes_out,
        "true" if row.truncated else "false",
        text_cell(detail.received.sha256),
        text_cell(detail.sent.sha256),
        text_cell(row.error or ""),
        _payload_cell(detail.received),
        _payload_cell(detail.sent),
    )


def _gap_cells(gap: Gap) -> tuple[Cell, ...]:
    """Its columns by name; what a request has and it has not stays empty."""
    known: dict[str, Cell] = {
        "id": text_cell(gap.after),
        "started_at": iso(gap.began_us),
        "duration_us": gap.ended_us - gap.began_us,
        "outcome": "gap",
        "error": f"{gap.reason}: {'unknown' if gap.missing is None else gap.missing} missing",
    }
    return tuple(known.get(column, "") for column in COLUMNS)


def _payload_cell(payload: Payload) -> str:
    text = payload.prefix.decode("utf-8", "surrogateescape")
    return text_cell(text, whole=not payload.truncated)
