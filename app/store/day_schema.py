"""The table of a day file, and how events become its rows and rows become values.

Knows nothing of files and connections: `day_writer.py` and `day_reader.py` do.
"""

from __future__ import annotations

from typing import Any, Final

from app.domain import Payload, RequestDetail, RequestSummary
from app.log_facts import Gap
from app.store.requests import RequestEvent
from app.store.tape import pack_chunks, unpack_tape
from sockcore.events import RequestFinished

#: The parameters of one statement.
Values = tuple[object, ...]

#: `PRAGMA user_version` of a file with this schema. 0 is a file whose schema is not made yet.
VERSION: Final = 3

#: Bytes received that a summary shows.
PREVIEW_BYTES: Final = 64

# A file is one stream of one node, so those two are written once, in the schema, and cost a row
# nothing. The long columns stand last, so that the others are read without them.
_TABLE: Final = """
CREATE TABLE requests (
    seq           INTEGER PRIMARY KEY,
    node_id       TEXT GENERATED ALWAYS AS ('{node_id}') VIRTUAL,
    stream_id     TEXT GENERATED ALWAYS AS ('{stream_id}') VIRTUAL,
    server        TEXT NOT NULL,
    run_id        TEXT NOT NULL,
    request_id    INTEGER NOT NULL,
    connection_id INTEGER NOT NULL,
    peer          TEXT NOT NULL,
    started_us    INTEGER NOT NULL,
    duration_us   INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    closed_by     TEXT,
    in_total      INTEGER NOT NULL,
    in_sha256     BLOB NOT NULL,
    out_total     INTEGER NOT NULL,
    out_sha256    BLOB NOT NULL,
    error         TEXT,
    transport     TEXT NOT NULL DEFAULT '',
    address       TEXT NOT NULL DEFAULT '',
    truncated     INTEGER NOT NULL DEFAULT 0,
    in_prefix     BLOB NOT NULL,
    chunks        BLOB NOT NULL,
    out_prefix    BLOB NOT NULL
)
"""

# An index ends with the primary key by itself: this one is (server, seq).
_BY_SERVER: Final = "CREATE INDEX requests_by_server ON requests (server)"

# Empty but for the rows still open, so it costs the others nothing.
_OPEN: Final = "CREATE INDEX requests_open ON requests (seq) WHERE outcome = 'open'"


# For what is looked for most, which is rare: a search that names no `ok` says `outcome <> 'ok'`
# too, and then this one serves it.
_UNUSUAL: Final = "CREATE INDEX requests_unusual ON requests (seq) WHERE outcome <> 'ok'"


# What is missing, and after which row. The same one noted again is the same row.
_GAPS: Final = """
CREATE TABLE gaps (
    after_seq INTEGER NOT NULL,
    began_us  INTEGER NOT NULL,
    ended_us  INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    missing   INTEGER,
    PRIMARY KEY (after_seq, began_us, reason)
) WITHOUT ROWID
"""


def schema(node_id: str, stream_id: str) -> tuple[str, ...]:
    """The statements that make a new file. The ids are hexadecimal digits."""
    table = _TABLE.format(node_id=node_id, stream_id=stream_id)
    return (table, _BY_SERVER, _OPEN, _UNUSUAL, _GAPS, f"PRAGMA user_version = {VERSION}")


#: What brings a file of an older version to the next one. Adding a column rewrites no row.
UPGRADES: Final[dict[int, tuple[str, ...]]] = {
    1: (
        "ALTER TABLE requests ADD COLUMN transport TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE requests ADD COLUMN address TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE requests ADD COLUMN truncated INTEGER NOT NULL DEFAULT 0",
        _UNUSUAL,
    ),
    2: (_GAPS,),
}

INSERT: Final = """
INSERT INTO requests (
    server, run_id, request_id, connection_id, peer, started_us, transport, address, truncated,
    duration_us, outcome, closed_by, in_total, in_sha256, out_total, out_sha256, error,
    in_prefix, chunks, out_prefix, seq
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

UPDATE: Final = """
UPDATE requests SET
    duration_us = ?, outcome = ?, closed_by = ?,
    in_total = ?, in_sha256 = ?, out_total = ?, out_sha256 = ?, error = ?,
    in_prefix = ?, chunks = ?, out_prefix = ?
WHERE seq = ?
"""

#: The same for an event that brings neither payload bytes nor a tape: those stored stay.
UPDATE_FACTS: Final = """
UPDATE requests SET
    duration_us = ?, outcome = ?, closed_by = ?,
    in_total = ?, in_sha256 = ?, out_total = ?, out_sha256 = ?, error = ?
WHERE seq = ?
"""

INSERT_GAP: Final = """
INSERT OR REPLACE INTO gaps (after_seq, began_us, ended_us, reason, missing)
VALUES (?, ?, ?, ?, ?)
"""

#: Those from one seq on, before another, that touch a time: the newest first.

MARK_LOST: Final = "UPDATE requests SET outcome = 'lost' WHERE outcome = 'open'"


def note_last_seq(seq: int) -> tuple[str, ...]:
    """The statements that keep in mind that there was a row `seq`, which is deleted: a later row
    must not have its place. A table that versions before it know nothing of."""
    return (
        "CREATE TABLE IF NOT EXISTS last_seq (seq INTEGER NOT NULL)",
        "DELETE FROM last_seq",
        f"INSERT INTO last_seq VALUES ({seq})",
    )


#: The oldest rows but the newest one, each with the bytes of its payloads.
OLDEST_SIZES: Final = """
SELECT seq, length(in_prefix) + length(chunks) + length(out_prefix) FROM requests
WHERE seq < (SELECT max(seq) FROM requests) ORDER BY seq LIMIT ?
"""

_FACTS: Final = (
    "seq, server, peer, connection_id, started_us, duration_us, in_total, out_total, outcome, "
    "closed_by, error, transport, address, truncated"
)
SUMMARIES: Final = f"SELECT {_FACTS}, substr(in_prefix, 1, {PREVIEW_BYTES}) FROM requests"
DETAILS: Final = (
    f"SELECT {_FACTS}, in_prefix, in_sha256, out_prefix, out_sha256, chunks FROM requests"
)


def gap_values(gap: Gap, after_seq: int) -> Values:
    """The parameters of INSERT_GAP."""
    return (after_seq, gap.began_us, gap.ended_us, gap.reason, gap.missing)


def insert_rows(count: int) -> str:
    """INSERT for so many rows, whose parameters follow each other."""
    columns, _, row = INSERT.partition("VALUES")
    return f"{columns}VALUES {', '.join([row.strip()] * count)}"


def has_payload(event: RequestEvent) -> bool:
    """Or a tape at least: of a server that keeps sizes only, that is all there is."""
    return bool(event.chunks or event.received.prefix or event.sent.prefix)


def insert_values(event: RequestEvent, seq: int) -> Values:
    """The parameters of INSERT."""
    return (
        event.server,
        event.run_id,
        event.request_id,
        event.connection_id,
        storable(event.peer),
        event.started_us,
        event.transport,
        storable(event.address),
        event.truncated,
        *_facts(event),
        *_payload(event),
        seq,
    )


def update_values(event: RequestEvent, seq: int) -> Values:
    """The parameters of UPDATE if the event has a payload, else those of UPDATE_FACTS."""
    if has_payload(event):
        return (*_facts(event), *_payload(event), seq)
    return (*_facts(event), seq)


def _facts(event: RequestEvent) -> Values:
    outcome, closed_by, error = _end(event)
    _, in_total, in_sha256 = event.received
    _, out_total, out_sha256 = event.sent
    duration_us = event.duration_us
    return (duration_us, outcome, closed_by, in_total, in_sha256, out_total, out_sha256, error)


def _payload(event: RequestEvent) -> tuple[bytes, bytes, bytes]:
    return (event.received.prefix, pack_chunks(event.chunks), event.sent.prefix)


def _end(event: RequestEvent) -> tuple[str, str | None, str | None]:
    """How it ended, who ended it and the traceback."""
    if isinstance(event, RequestFinished):
        error = None if event.error is None else storable(event.error)
        return event.outcome, event.closed_by, error
    return "open", None, None


def storable(text: str) -> str:
    r"""`text` with every lone surrogate (a byte of a path, say) spelt out as `\udc80`.

    UTF-8 has no place for them, and one would keep its whole batch from being written.
    """
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def summary_of_event(event: RequestEvent, day: str, seq: int) -> RequestSummary:
    """The summary of the row that `event` was stored as."""
    outcome, closed_by, error = _end(event)
    received = event.received
    return RequestSummary(
        id=f"{day}-{seq}",
        server=event.server,
        peer=storable(event.peer),
        connection_id=event.connection_id,
        started_us=event.started_us,
        duration_us=event.duration_us,
        bytes_in=received.total,
        bytes_out=event.sent.total,
        outcome=outcome,
        closed_by=closed_by,
        error=_last_line(error),
        preview=received.prefix[:PREVIEW_BYTES],
        transport=event.transport,
        address=storable(event.address),
        truncated=event.truncated,
    )


def summary_of_row(day: str, row: tuple[Any, ...]) -> RequestSummary:
    """The summary of a row of SUMMARIES or DETAILS."""
    return RequestSummary(
        id=f"{day}-{row[0]}",
        server=row[1],
        peer=row[2],
        connection_id=row[3],
        started_us=row[4],
        duration_us=row[5],
        bytes_in=row[6],
        bytes_out=row[7],
        outcome=row[8],
        closed_by=row[9],
        error=_last_line(row[10]),
        # SQLite's substr() of an empty blob is NULL.
        preview=row[14][:PREVIEW_BYTES] if row[14] else b"",
        transport=row[11],
        address=row[12],
        truncated=bool(row[13]),
    )


def detail_of_row(day: str, row: tuple[Any, ...]) -> RequestDetail:
    """The detail of a row of DETAILS."""
    in_prefix, in_sha256, out_prefix, out_sha256, chunks = row[14:]
    summary = summary_of_row(day, row)
    return RequestDetail(
        summary=summary,
        traceback=row[10],
        received=Payload(in_prefix, summary.bytes_in, in_sha256.hex()),
        sent=Payload(out_prefix, summary.bytes_out, out_sha256.hex()),
        tape=unpack_tape(chunks, in_prefix, out_prefix),
    )


def _last_line(error: str | None) -> str | None:
    return None if error is None else error.rstrip("\n").rpartition("\n")[2]
