"""The request log as JSON Lines: an object a request, exact to the last byte that was kept.

The fields are those that REST gives for one request, without its renderings as text: `preview`
and `text`. ASCII only, so that no reader guesses an encoding. What is missing is an object with
`gap` instead, its reason. Knows nothing of files or HTTP.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from app.domain import Payload, RequestDetail, RequestSummary, played
from app.log_facts import Gap
from app.times import iso, microseconds

#: What a summary's preview has of the bytes received.
_PREVIEW_BYTES: Final = 64

# The fields of a summary that are the same in JSON.
_SAME: Final = (
    *("id", "server", "peer", "connection_id", "duration_us", "bytes_in", "bytes_out"),
    *("outcome", "closed_by", "error", "transport", "address", "truncated"),
)


def encode(details: Iterable[RequestDetail | Gap]) -> Iterator[bytes]:
    """A line for each of `details`."""
    for detail in details:
        document = _gap(detail) if isinstance(detail, Gap) else _document(detail)
        yield json.dumps(document, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes | str) -> RequestDetail:
    """The request that `line` was made from.

    Raises: ValueError if it was made from none; from a gap, say.
    """
    try:
        return _detail(json.loads(line))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"not a line of an exported request log: {error!r}") from error


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "gap": gap.reason,
        "began_at": iso(gap.began_us),
        "ended_at": iso(gap.ended_us),
        "missing": gap.missing,
        "after": gap.after,
    }


def _document(detail: RequestDetail) -> dict[str, Any]:
    row = detail.summary
    return {
        **{name: getattr(row, name) for name in _SAME},
        "started_at": iso(row.started_us),
        "traceback": detail.traceback,
        "received": _payload_document(detail.received),
        "sent": _payload_document(detail.sent),
        "tape": [
            {
                "direction": "in" if chunk.inbound else "out",
                "offset_us": chunk.offset_us,
                "bytes": chunk.size,
            }
            for chunk in detail.tape
        ],
    }


def _payload_document(payload: Payload) -> dict[str, Any]:
    return {
        "base64": base64.b64encode(payload.prefix).decode("ascii"),
        "bytes": payload.total,
        "truncated": payload.truncated,
        "sha256": payload.sha256,
    }


def _detail(document: Mapping[str, Any]) -> RequestDetail:
    received, sent = _payload(document["received"]), _payload(document["sent"])
    summary = RequestSummary(
        started_us=microseconds(document["started_at"]),
        preview=received.prefix[:_PREVIEW_BYTES],
        **{name: document[name] for name in _SAME},
    )
    chunks = ((c["direction"] == "in", c["offset_us"], c["bytes"]) for c in document["tape"])
    return RequestDetail(
        summary=summary,
        traceback=document["traceback"],
        received=received,
        sent=sent,
        tape=tuple(played(chunks, received.prefix, sent.prefix)),
    )


def _payload(document: Mapping[str, Any]) -> Payload:
    prefix = base64.b64decode(document["base64"], validate=True)
    return Payload(prefix, document["bytes"], document["sha256"])
