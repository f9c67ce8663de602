"""The index of one day: which blocks of rows can hold what is searched for.

A file beside the day's own, built behind the writer from whole blocks of rows and never needed for
an answer: rows it does not cover are read one by one. A block has

    grams   a bit for every three bytes in a row that occur in it (a Bloom filter with one hash)
    hosts   from where its peers came, unless there were too many
    times   when the first and the last of its requests started

Knows blocks. Knows nothing of the pages that are made with it.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.store import day_reader
from app.store.day_damage import is_damage
from app.store.day_places import NEWEST
from app.store.day_search import Condition, grams
from app.store.day_writer import transaction

#: Rows of a block, and grams after which one ends early: a twentieth of the bits.
BLOCK_ROWS: Final = 1_024
_BLOCK_GRAMS: Final = 24_000

_BITS: Final = 1 << 17
_MOST_HOSTS: Final = 64

#: PRAGMA user_version of an index that this code wrote; another one is made anew.
_VERSION: Final = 1

_SCHEMA: Final = f"""
CREATE TABLE blocks (
    first_seq INTEGER PRIMARY KEY,
    last_seq  INTEGER NOT NULL,
    first_us  INTEGER NOT NULL,
    last_us   INTEGER NOT NULL,
    open_rows INTEGER NOT NULL,
    hosts     TEXT,
    grams     BLOB NOT NULL
);
CREATE INDEX blocks_open ON blocks (first_seq) WHERE open_rows > 0;
PRAGMA user_version = {_VERSION};
"""

_Row = tuple[int, int, str, str, bytes | None, bytes | None]

Span = tuple[int, int]  # the first and the last seq of rows to be read


def index_path(day_file: Path) -> Path:
    return day_file.with_suffix(".index")


class DayIndex:
    """The one that builds. Thread: one at a time."""

    def __init__(self, day_file: Path) -> None:
        """Raises: sqlite3.Error."""
        self._day_file = day_file
        path = index_path(day_file)
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        # Lost or torn, it is built again: it has nothing of its own.
        self._connection.execute("PRAGMA synchronous=OFF")
        if not _is_ours(self._connection):
            self._connection.executescript(f"DROP TABLE IF EXISTS blocks; {_SCHEMA}")

    def build(self) -> int:
        """One more block, or one anew whose rows were open. Returns: rows done; 0: all is."""
        stale = self._connection.execute(
            "SELECT first_seq, last_seq FROM blocks WHERE open_rows > 0 ORDER BY first_seq"
        )
        for first, last in stale.fetchall():
            rows = _rows(self._day_file, first - 1, last)
            if not rows:
                self._connection.execute("DELETE FROM blocks WHERE first_seq = ?", (first,))
            elif not _is_open(rows):
                return self._enter(rows, replaced=first)
        rows = _rows(self._day_file, self.last_seq(), None)
        return self._enter(rows) if len(rows) >= BLOCK_ROWS else 0

    def last_seq(self) -> int:
        return _last_seq(self._connection)

    def forget(self, last: int) -> None:
        """The rows up to the seq `last` are deleted."""
        self._connection.execute("DELETE FROM blocks WHERE last_seq <= ?", (last,))

    def thin(self, seqs: Iterable[int]) -> None:
        """These rows are deleted: their blocks know nothing of them from now on, and are built
        anew of what is left."""
        with transaction(self._connection):
            for first in {self._block(seq) for seq in seqs}:
                self._connection.execute(
                    "UPDATE blocks SET open_rows = max(open_rows, 1), hosts = NULL, "
                    "grams = zeroblob(?) WHERE first_seq = ?",
                    (_BITS // 8, first),
                )

    def _block(self, seq: int) -> int | None:
        """The first seq of the block with that row; of a row between two, of the one before."""
        query = "SELECT max(first_seq) FROM blocks WHERE first_seq <= ?"
        found: int | None = self._connection.execute(query, (seq,)).fetchone()[0]
        return found

    def close(self) -> None:
        self._connection.close()

    def _enter(self, rows: Sequence[_Row], replaced: int | None = None) -> int:
        """`replaced`: the first seq of the block that was there, of which rows may be deleted."""
        found: set[bytes] = set()
        hosts: set[str] = set()
        done = 0
        for _, _, _, peer, received, sent in rows:
            if done and len(found) >= _BLOCK_GRAMS:
                break
            found |= grams(received or b"") | grams(sent or b"")
            hosts.add(_host(peer))
            done += 1
        rows = rows[:done]
        values = (
            rows[0][0],
            rows[-1][0],
            min(row[1] for row in rows),
            max(row[1] for row in rows),
            _is_open(rows),
            json.dumps(sorted(hosts)) if len(hosts) <= _MOST_HOSTS else None,
            _bitmap(found),
        )
        with transaction(self._connection):
            self._connection.execute("DELETE FROM blocks WHERE first_seq = ?", (replaced,))
            self._connection.execute(
                "INSERT OR REPLACE INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?)", values
            )
        return done


def covered(day_file: Path) -> int:
    """Up to which seq there are blocks; 0 where there is no index, or a damaged one."""
    path = index_path(day_file)
    if path.exists():
        with _unless_damaged(), day_reader.read_only(path) as index:
            return _last_seq(index) if _is_ours(index) else 0
    return 0


def _last_seq(index: sqlite3.Connection) -> int:
    return int(index.execute("SELECT max(last_seq) FROM blocks").fetchone()[0] or 0)


def _is_ours(index: sqlite3.Connection) -> bool:
    """Whether it has blocks of this kind; if not it is about to be made."""
    version = index.execute("PRAGMA user_version").fetchone()[0]
    return bool(version == _VERSION)


@contextmanager
def _unless_damaged() -> Iterator[None]:
    """Amid it an index may prove damaged: then it ends early, without an error. So it does where
    the process died amid a change of it: only who builds it, and may write, can undo that."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if not is_damage(error) and code != sqlite3.SQLITE_READONLY:
            raise


def spans(day_file: Path, wanted: Condition, low: int, high: int) -> Iterator[Span]:
    """What must be read of the seqs `low` to `high`, the newest first.

    Raises: sqlite3.Error. An index that is not there or is damaged excludes nothing.
    """
    path = index_path(day_file)
    top = high
    if path.exists() and wanted.needs_index:
        with _unless_damaged():
            for first, last in _excluded(path, wanted, low, high):
                if last < top:
                    yield last + 1, top
                top = first - 1
    if top >= low:
        yield low, top


def _excluded(path: Path, wanted: Condition, low: int, high: int) -> Iterator[Span]:
    """The blocks that can hold nothing of what is wanted, the newest first."""
    columns = "first_seq, last_seq, first_us, last_us, open_rows, hosts" + (
        ", grams" if wanted.grams else ""
    )
    bits = [_bit(gram) for gram in wanted.grams]
    with day_reader.read_only(path) as index:
        if not _is_ours(index):
            return
        for block in index.execute(
            f"SELECT {columns} FROM blocks WHERE last_seq >= ? AND first_seq <= ? "
            "ORDER BY first_seq DESC",
            (low, high),
        ):
            if not _can_hold(block, wanted, bits):
                yield block[0], block[1]


def _can_hold(block: tuple[int, ...], wanted: Condition, bits: list[int]) -> bool:
    _, _, first_us, last_us, open_rows, hosts = block[:6]
    if wanted.since_us is not None and last_us < wanted.since_us:
        return False
    if wanted.until_us is not None and first_us >= wanted.until_us:
        return False
    if wanted.peers and hosts is not None and not _one_of(json.loads(str(hosts)), wanted.peers):
        return False
    if not bits or open_rows:
        return True
    bitmap: bytes = block[6]  # type: ignore[assignment]
    return all(bitmap[bit >> 3] & (1 << (bit & 7)) for bit in bits)


def _one_of(hosts: list[str], peers: tuple[str, ...]) -> bool:
    return any(host.startswith(peer) or peer.startswith(host) for host in hosts for peer in peers)


def _rows(day_file: Path, after: int, last: int | None) -> list[_Row]:
    with day_reader.reading(day_file) as connection:
        if connection is None:
            return []
        return connection.execute(
            "SELECT seq, started_us, outcome, peer, in_prefix, out_prefix FROM requests "
            "WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
            (after, NEWEST if last is None else last, BLOCK_ROWS),
        ).fetchall()


def _is_open(rows: Sequence[_Row]) -> int:
    """How many are, and may still get bytes."""
    return sum(row[2] == "open" for row in rows)


def _host(peer: str) -> str:
    """Without the port."""
    return peer.rpartition(":")[0] or peer


def _bit(gram: bytes) -> int:
    return zlib.crc32(gram) % _BITS


def _bitmap(found: set[bytes]) -> bytes:
    bitmap = bytearray(_BITS // 8)
    for gram in found:
        bit = _bit(gram)
        bitmap[bit >> 3] |= 1 << (bit & 7)
    return bytes(bitmap)
