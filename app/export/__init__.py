"""The request log as files that other programs read: one table of formats by name.

Knows requests and gaps as values and writes bytes, one at a time, however long the log is.
Knows nothing of where the requests come from, or of HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from app.domain import RequestDetail
from app.export import csv_rows, jsonl, pcapng
from app.log_facts import Gap

Encode = Callable[[Iterable[RequestDetail | Gap]], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A format: `encode` yields the pieces of a file, a valid one if there is no request too."""

    media_type: str
    suffix: str  # of a file name, with its dot
    encode: Encode


EXPORTS: Final[Mapping[str, Export]] = {
    "csv": Export(media_type="text/csv; charset=utf-8", suffix=".csv", encode=csv_rows.encode),
    "jsonl": Export(media_type="application/x-ndjson", suffix=".jsonl", encode=jsonl.encode),
    "pcapng": Export(media_type="application/x-pcapng", suffix=".pcapng", encode=pcapng.encode),
}
