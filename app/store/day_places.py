"""Places in the log: a day and a seq, written as the id of the row that is there.

Knows ids and their order. Knows nothing of files.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from app.errors import FieldError, Invalid

_ID: Final = re.compile(r"([0-9]{8})-(0|[1-9][0-9]{0,18})")

#: Above every seq: "from the newest on".
NEWEST: Final = 2**63 - 1


class Place(NamedTuple):
    """Where a row is, or could be. Later places are newer."""

    day: str  # YYYYMMDD
    seq: int

    def next(self) -> Place:
        return Place(self.day, self.seq + 1)


#: Nothing is older than the first, and everything than the second.
START: Final = Place("00000000", 0)
END: Final = Place("99999999", NEWEST)


def known_place(request_id: str) -> Place | None:
    """The place of an id, None if it is none."""
    match = _ID.fullmatch(request_id)
    if match is None or int(match[2]) > NEWEST:
        return None
    return Place(match[1], int(match[2]))


def place_of(cursor: str, field: str) -> Place:
    """Raises: Invalid `bad_cursor` on `field`."""
    place = known_place(cursor)
    if place is None:
        detail = f"{cursor!r} is no place in the log. Take the `next` or `newer` of a page."
        raise Invalid(FieldError("bad_cursor", detail, field))
    return place


def cursor(place: Place | None) -> str | None:
    return None if place is None else f"{place.day}-{place.seq}"
